"""The command `ldm3d-on-ray`: every stage behind one name, in a checkout as where a wheel is installed.

`jobs` and `pipelines` are names that other packages may have, so a wheel has them in `ldm3d_on_ray/_code/`, which only
this command, and the workers that it starts, have on their path. In a checkout they lie beside this folder.
"""
