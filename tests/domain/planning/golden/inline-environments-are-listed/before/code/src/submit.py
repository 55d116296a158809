import azureml.core
from azure.ai.ml import command
from azure.ai.ml.entities import BuildContext, Environment as Env

# Env(image="mcr.test/base", conda_file="envs/conda-score.yml")
adhoc = Env(name="adhoc", image="mcr.test/base", conda_file="./conda.yml")
inline = Env(
    image="mcr.test/base",
    conda_file={"channels": ["conda-forge"], "dependencies": ["python=3.10", {"pip": ["numpy", "our-pkg==0.8"]}]},
)
built = Env(build=BuildContext(path="envs/training"))
v1 = azureml.core.Environment.from_pip_requirements("v1", "code/limits.txt")
v1_conda = azureml.core.Environment.from_conda_specification(name="v1", file_path="conda.yml")
unknown = Env(image="mcr.test/base", conda_file=CONDA)
