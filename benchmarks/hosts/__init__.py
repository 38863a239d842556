"""Many hosts, killed: omniedit beside the same job as people write it for PgQueuer, Dask and Ray."""
