"""The pipeline of a job: intake, dispatch, watch, settle, deliver."""
