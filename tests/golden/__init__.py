"""The golden record tells whether any answer of the service has changed (`make golden`)."""
