"""Tables and migrations; the only importer of SQLAlchemy."""
