from jinja2 import Environment
page = Environment(loader=None)
# azureml: our-pkg==1.0
