"""Everything Label Studio sees: connection, project and labeling config, push, pull."""
