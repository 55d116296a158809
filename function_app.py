"""The Function app: triggers only, each is one call."""

import azure.functions as func

from shared import triggers

app = func.FunctionApp()

# Queues and ledger lie in one storage account, reached by identity: REBUILDER_STORAGE__queueServiceUri and so on.
STORAGE = "REBUILDER_STORAGE"

triggers.check_settings()


# All methods: what is not POST is answered by ourselves, with 405 and in the order of the other checks.
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@app.route(route="hooks", methods=METHODS, auth_level=func.AuthLevel.ANONYMOUS)
async def hooks(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Service hooks and publishing pipelines; they show a shared secret of their own."""
    return await triggers.hook_aside(req, context)


@app.route(route="rebuilds", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def rerun(req: func.HttpRequest) -> func.HttpResponse:
    """A person asks for a release to be rebuilt again."""
    return triggers.rerun(req)


@app.route(route="releases/{name}/{version}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def release_status(req: func.HttpRequest) -> func.HttpResponse:
    """What is known of a release."""
    return triggers.release_status(req)


@app.route(route="rebuilds/{id}", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def rebuild_status(req: func.HttpRequest) -> func.HttpResponse:
    """What is known of a rebuild."""
    return triggers.rebuild_status(req)


@app.route(route="parked", methods=["GET"], auth_level=func.AuthLevel.FUNCTION)
def parked(req: func.HttpRequest) -> func.HttpResponse:
    """What was given up."""
    return triggers.parked(req)


@app.route(route="parked", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def requeue_parked(req: func.HttpRequest) -> func.HttpResponse:
    """A person has something done after all that was given up."""
    return triggers.requeue_parked(req)


@app.route(route="parked/dismiss", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def dismiss_parked(req: func.HttpRequest) -> func.HttpResponse:
    """A person says that nothing shall be done about something that was given up."""
    return triggers.dismiss_parked(req)


@app.queue_trigger(arg_name="msg", queue_name="signals", connection=STORAGE)
def signals(msg: func.QueueMessage) -> None:
    """One signal from outside."""
    triggers.signal(msg)


@app.queue_trigger(arg_name="msg", queue_name="rebuilds", connection=STORAGE)
def rebuilds(msg: func.QueueMessage) -> None:
    """One target's turn."""
    triggers.turn(msg)


@app.queue_trigger(arg_name="msg", queue_name="signals-poison", connection=STORAGE)
def signals_poison(msg: func.QueueMessage) -> None:
    """A signal whose function failed again and again."""
    triggers.signal_given_up(msg)


@app.queue_trigger(arg_name="msg", queue_name="rebuilds-poison", connection=STORAGE)
def rebuilds_poison(msg: func.QueueMessage) -> None:
    """A turn whose function failed again and again."""
    triggers.turn_given_up(msg)


@app.timer_trigger(arg_name="timer", schedule="0 */5 * * * *")
def repair(timer: func.TimerRequest) -> None:
    """Finds what no signal told, every five minutes."""
    triggers.repair(timer)
