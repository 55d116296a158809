"""An app that Azure refuses to index: a parameter has no binding."""

import azure.functions as func

app = func.FunctionApp()


@app.route(route="x")
def broken(req: func.HttpRequest, nobody: str) -> func.HttpResponse:
    """Never called."""
    return func.HttpResponse(nobody)
