"""cluster/ray-up has what Ray and AWS take, in groups of a fixed size."""

import re
from pathlib import Path

import pytest

from tests.builders.cluster_files import AWS, CLUSTER


def test_ray_up_takes_the_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(AWS)
    validate_config(config)
    commands = config["head_setup_commands"] + config["worker_setup_commands"]
    assert commands == []  # Ray's defaults install a Ray of another version


def test_every_node_has_the_token_and_the_mode_in_which_it_is_used():
    from ray._private.authentication.authentication_token_setup import _get_default_token_path

    dockerfile = (CLUSTER / "image/Dockerfile").read_text()
    (home,) = re.findall(r"^ENV HOME=(\S+)$", dockerfile, re.MULTILINE)
    (place,) = AWS["file_mounts"]
    assert Path(home, _get_default_token_path().relative_to(Path.home())) == Path(place)
    assert AWS["file_mounts"][place] == "~/.ray/auth_token"
    assert "--env RAY_AUTH_MODE=token" in AWS["docker"]["run_options"]
    readme = (CLUSTER / "README.md").read_text()
    assert readme.index("ray get-auth-token --generate") < readme.index("export RAY_AUTH_MODE=token")
    assert readme.index("export RAY_AUTH_MODE=token") < readme.index("ray up cluster/ray-up/aws.yaml")


@pytest.mark.parametrize("group", AWS["available_node_types"])
def test_aws_knows_the_machines(group):
    """Of what is in `provider` and `node_config`, Ray checks nothing before it asks AWS."""
    from botocore.session import get_session
    from botocore.validate import ParamValidator

    asked = AWS["available_node_types"][group]["node_config"]
    shape = get_session().get_service_model("ec2").operation_model("RunInstances").input_shape
    report = ParamValidator().validate({"MinCount": 1, "MaxCount": 1} | asked, shape)
    assert report.generate_report() == ""
    assert asked["InstanceType"] in shape.members["InstanceType"].enum
    assert AWS["provider"].keys() == {"type", "region", "cache_stopped_nodes"}
    assert AWS["provider"]["type"] == "aws"


def test_groups_have_a_fixed_size_and_the_head_no_cpus():
    """A stage plans with what the cluster has when it starts."""
    head, *groups = AWS["available_node_types"].values()
    assert all(group["min_workers"] == group["max_workers"] for group in groups)
    assert AWS["max_workers"] == sum(group["max_workers"] for group in groups)
    assert head["resources"] == {"CPU": 0}
    assert "InstanceMarketOptions" not in head["node_config"]  # a job does not survive its head
