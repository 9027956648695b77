"""The tests; they mirror cds_service/."""
