from setuptools import setup

with open("requirements.txt") as file:
    required = file.read().splitlines()
setup(name="app", install_requires=required)
