"""The command line and the services: thin layers over `mlsignal.workflow`."""
