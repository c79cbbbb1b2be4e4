"""cluster/ray-up has what Ray and AWS take, in groups of a fixed size."""

import pytest

from tests.builders.cluster_files import AWS


def test_ray_up_takes_the_file():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(AWS)
    validate_config(config)
    commands = config["head_setup_commands"] + config["worker_setup_commands"]
    assert commands == []  # Ray's defaults install a Ray of another version


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
