"""An app with one function of each kind that the host serves."""

import azure.functions as func

app = func.FunctionApp()


@app.route(route="echo/{name}", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def echo(req: func.HttpRequest) -> func.HttpResponse:
    """Answer with what came."""
    return func.HttpResponse(f"{req.route_params['name']} {req.get_body().decode()}", status_code=201)


@app.queue_trigger(arg_name="msg", queue_name="work", connection="STORAGE")
def work(msg: func.QueueMessage) -> None:
    """Fail on demand."""
    if msg.get_body() == b"fail":
        raise ValueError(f"failed at try {msg.dequeue_count}")


@app.timer_trigger(arg_name="timer", schedule="0 0 0 1 1 *")
def tick(timer: func.TimerRequest) -> None:
    """Do nothing."""
