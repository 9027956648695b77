"""The SMART app against a real authorization server: Django OAuth Toolkit, which the test runs."""
