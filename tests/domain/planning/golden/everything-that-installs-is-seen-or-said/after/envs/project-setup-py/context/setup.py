from setuptools import setup

REQUIRED = ["numpy", "our-pkg==1.5.0"]
setup(name="app", install_requires=REQUIRED)
