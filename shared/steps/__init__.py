"""What the rebuild pipeline's steps do: `python -m shared duplicate|prepare|…|report`, in this order.

Each step is one process in one job of one environment; what a later step needs lies in the job's folder, as `Work`
describes it. Values come from the environment variables that the template sets, never from a command's text.
"""
