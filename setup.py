"""What a wheel holds; all else is in pyproject.toml.

`ldm3d` is imported by its own name. `jobs` and `pipelines`, whose names are too common for that, go into a folder of
`ldm3d_on_ray`, and only the command puts that on the path.
"""

from setuptools import find_packages, setup

CODE = "ldm3d_on_ray._code"

setup(
    packages=[
        *find_packages(include=["ldm3d", "ldm3d.*", "ldm3d_on_ray"]),
        *(f"{CODE}.{name}" for name in find_packages(include=["jobs", "jobs.*", "pipelines", "pipelines.*"])),
    ],
    package_dir={f"{CODE}.{room}": room for room in ("jobs", "pipelines")},
)
