"""One step of the pipeline a file: its interface to Kubeflow Pipelines, and one call into `yt8m`.

These modules are copied into the pipeline's specification and run inside the images, so a body sees nothing but its
own imports. The images named here are placeholders that `settings.yaml` replaces.
"""
