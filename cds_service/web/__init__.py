"""Flask: the public interface of the service and its pages for people."""
