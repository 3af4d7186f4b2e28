"""Programs that images of engines hold and health checks call, for the image of the stand-ins."""
