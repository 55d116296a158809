job = command(code=".", environment="azureml:training:2")
