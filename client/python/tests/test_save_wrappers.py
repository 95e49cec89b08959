"""torchferry.save takes away what training puts around a module, and leaves the caller's objects as they are."""

import copy
import os
import sys
import types

import pytest

import torchferry
from saving import loaded, said

torch = pytest.importorskip("torch")
nn = torch.nn
fsdp = pytest.importorskip("torch.distributed.fsdp")
averaging = pytest.importorskip("torch.optim.swa_utils")

X = torch.linspace(-1, 1, 12).reshape(3, 4)


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def check(saved, model=None):
    with torch.no_grad():
        torch.testing.assert_close(loaded(saved)(X), (model or network())(X))


@pytest.fixture
def save(tmp_path):
    def one(model, name="m", example=X, **options):
        return torchferry.save(model, example, tmp_path / "store", name=name, **options)

    return one


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """A gloo group of this process alone."""
    file = tmp_path_factory.mktemp("group") / "rendezvous"
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("format", ["export", "script", "trace", "state_dict"])
def test_wrappers_at_the_top_and_inside(save, format):
    inside = network()
    model = nn.Sequential(torch.compile(inside[0]), inside[1], nn.DataParallel(inside[2]))
    before = list(model)
    saved = save(torch.compile(nn.DataParallel(model)), format=format)
    assert said(saved, "OptimizedModule was taken away") and said(saved, "DataParallel at 2 was taken away")
    assert list(model) == before
    check(saved)


def test_a_model_that_was_compiled_in_place(save):
    model = network()
    model.compile()
    compiled = model._compiled_call_impl
    saved = save(model)
    assert said(saved, "compile() was called") and model._compiled_call_impl is compiled
    check(saved)


def test_averaged_weights_are_those_that_are_saved(save):
    model = network()
    averaged = averaging.AveragedModel(model)
    with torch.no_grad():
        model[0].weight.mul_(3)
    averaged.update_parameters(model)
    saved = save(averaged)
    assert said(saved, "AveragedModel was taken away")
    check(saved, averaged.module)


def test_distributed_data_parallel(save, one_process):
    model = nn.parallel.DistributedDataParallel(network())
    saved = save(model)
    assert said(saved, "DistributedDataParallel was taken away")
    check(saved)
    model(X).sum().backward()


@pytest.mark.parametrize("original", [False, True], ids=["flat", "use_orig_params"])
def test_fully_sharded_data_parallel(save, one_process, original):
    cpu = {"device_id": torch.device("cpu"), "use_orig_params": original}
    model = network()
    model[0] = fsdp.FullyShardedDataParallel(model[0], **cpu)
    model = fsdp.FullyShardedDataParallel(model, **cpu)
    saved = save(model)
    assert said(saved, "were gathered") and said(saved, "FullyShardedDataParallel at 0 was taken away")
    check(saved)
    model(X).sum().backward()


def test_dtensors_are_refused_with_the_way_out(save, one_process):
    model = network()
    fsdp.fully_shard(model, mesh=torch.distributed.init_device_mesh("cpu", (1,)))
    with pytest.raises(torchferry.SaveError, match="0.weight is a DTensor.*get_model_state_dict"):
        save(model)


def _shard_and_save(rank, rendezvous, store):
    torch.distributed.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    model = fsdp.FullyShardedDataParallel(network(), device_id=torch.device("cpu"))
    saved = torchferry.save(model, X, store, name="sharded")
    assert saved.version == 1
    try:
        torchferry.save(model, X, store, name="sharded", version=1)
    except torchferry.SaveError as error:
        assert "is there already" in str(error)
    else:
        raise AssertionError("it was saved again")
    torch.distributed.barrier()  # neither leaves while the other one still needs it
    torch.distributed.destroy_process_group()
    # A thread of gloo may still hold a tensor. It would ask for the interpreter's lock while that ends, and abort.
    os._exit(0)


def test_shards_of_two_processes_become_one_version(tmp_path):
    torch.multiprocessing.spawn(_shard_and_save, (str(tmp_path / "rendezvous"), str(tmp_path / "store")), nprocs=2)
    assert sorted(path.name for path in (tmp_path / "store" / "sharded").iterdir()) == ["1", "config.pbtxt", "warmup"]
    run = torch.export.load(tmp_path / "store" / "sharded" / "1" / "model.pt2").module()
    with torch.no_grad():
        torch.testing.assert_close(run(X), network()(X))


@pytest.fixture
def lightning_module():
    """A class with the name and the references of Lightning's, where Lightning itself is not installed."""
    try:
        from pytorch_lightning import LightningModule
    except ImportError:

        class LightningModule(nn.Module):
            _jit_is_scripting = False
            __jit_unused_properties__ = ["trainer"]

            def __init__(self):
                super().__init__()
                self._trainer = None

            @property
            def trainer(self):
                if self._trainer is None and not LightningModule._jit_is_scripting:
                    raise RuntimeError("is not attached to a `Trainer`.")
                return self._trainer

        LightningModule.__module__, LightningModule.__qualname__ = "pytorch_lightning.core.module", "LightningModule"
    return LightningModule


@pytest.mark.parametrize("format", ["export", "script", "trace"])
def test_a_lightning_module_is_saved_without_its_trainer(save, lightning_module, format):
    class Trained(lightning_module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def forward(self, x):
            return self.net(x)

    model = Trained()
    trainer = types.SimpleNamespace(model=model, lock=sys.stdin)  # nothing of this can be pickled
    model._trainer = trainer
    saved = save(model, format=format)
    assert model._trainer is trainer and said(saved, "LightningModule is saved as a model", "without its trainer")
    check(saved, model.net)


def test_a_wrapper_of_fabric(save):
    class _FabricModule(nn.Module):
        def __init__(self, module):
            super().__init__()
            self._forward_module = self._original_module = module

        def forward(self, *args):
            raise AssertionError("the strategy's forward is not the model's")

    _FabricModule.__module__, _FabricModule.__qualname__ = "lightning.fabric.wrappers", "_FabricModule"
    saved = save(_FabricModule(network()))
    assert said(saved, "_FabricModule was taken away")
    check(saved)


def test_a_forward_that_was_set_on_the_object_is_kept(save):
    model = network()
    inner = model.forward
    model.forward = lambda x: inner(x) * 2
    saved = save(model, example=(X,))
    with torch.no_grad():
        torch.testing.assert_close(loaded(saved)(X), network()(X) * 2)


def test_weights_on_no_device_are_refused(save):
    with torch.device("meta"):
        model = nn.Linear(4, 2)
    with pytest.raises(torchferry.SaveError, match="weight is on the meta device and has no values"):
        save(model)


def test_what_is_no_module_is_refused(save):
    with pytest.raises(torchferry.SaveError, match="the model is of the type OrderedDict; expected a torch.nn.Module"):
        save(network().state_dict())


def test_shared_parts_stay_shared(save):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.inner = nn.DataParallel(nn.Linear(4, 4))
            self.again = self.inner
            self.weight = self.inner.module.weight

        def forward(self, x):
            return self.again(self.inner(x)) @ self.weight

    model = Tied()
    with torch.no_grad():
        want = model(X)
    saved = save(copy.deepcopy(model))
    with torch.no_grad():
        torch.testing.assert_close(loaded(saved)(X), want)
