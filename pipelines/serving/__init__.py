"""The parts of the service: copies of the model, the desk that knows every request, and the door that speaks HTTP."""
