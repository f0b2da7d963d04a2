"""A study on a Dask cluster, whose machines need not have its files."""

from studies.run.cluster.computing import computed_on

__all__ = ["computed_on"]
