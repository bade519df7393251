"""The operator's page: files served as they lie here."""
