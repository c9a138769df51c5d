"""The droplet's code; `uvicorn app.main:app` serves it."""
