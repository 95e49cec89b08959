"""What changes under a soak's clients: versions come and go, devices fail and recover."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import harness
import models
from gate import Actor, Gate
from good import load, refusals_are, unload
from harness import Code
from stage import Stage
from test_swaps import deploy
from wire import admin_grpc, array, assert_close, pb, reference

TRANSIENT = (  # of the device that most models are on: each costs time, and no answer
    "sim:0 out_of_memory_times=1", "sim:0 out_of_memory_over_rows=4", "sim:0 transient_errors=3", "sim:0 copy_delay_us=3000",
    "sim:0 out_of_memory_after_bytes=0", "sim:0 transient_errors=1")


class Swaps(Actor):
    """Deploys a version of "m", has it loaded, and takes the one before away; unloads and loads "other"; at times deploys a
    version that is broken. Nobody else does, so that each of it must go well."""

    is_good = True
    pause = 0.5

    def __init__(self, name: str, gate: Gate, seed: int, stage: Stage) -> None:
        super().__init__(name, gate, seed)
        self._stage = stage
        self._version = 1

    def turn(self) -> None:
        store = self._stage.store
        with self._stage.connect() as client:
            stub = admin_grpc.ModelAdminServiceStub(client.channel)
            if self.turns % 5 == 4:
                self._deploy_broken(client, stub)
            deploy(store, "m", self._version + 1)
            load(stub, "m")
            shutil.rmtree(store.path / "m" / str(self._version))
            self._version += 1
            assert client.model("m").model_version == self._version
            unload(stub, "other")
            load(stub, "other")

    def _deploy_broken(self, client: harness.Client, stub: admin_grpc.ModelAdminServiceStub) -> None:
        """It fails with a reason, and the one that serves goes on."""
        folder = self._stage.store.path / "m" / str(self._version + 1)
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(self.chance.randbytes(500))
        try:
            with refusals_are(Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT):
                load(stub, "m")
                raise AssertionError("a version of noise was loaded")
            assert client.model("m", self._version).state == pb.MODEL_STATE_READY
        finally:
            shutil.rmtree(folder)


class Faults(Actor):
    """Lets devices fail. sim:0 recovers each time; each of the devices of "lossy" models is lost once, for ever; products of
    sim:1 are wrong while the model that checks its answers is loaded there."""

    is_good = True
    pause = 1.0

    def __init__(self, name: str, gate: Gate, seed: int, stage: Stage) -> None:
        super().__init__(name, gate, seed)
        self._stage = stage
        self._lost: list[int] = []
        self.kinds: set[str] = set()
        self.refused_placements = 0

    def turn(self) -> None:
        if self.turns % 4 == 3:
            self._wrong_products()
        elif self.turns % 8 == 1 and len(self._lost) < len(models.LOSSY_DEVICES):
            self._lose(models.LOSSY_DEVICES[len(self._lost)])
        else:
            fault = self.chance.choice(TRANSIENT)
            self.set_lines(fault)
            self.kinds.add(fault.split()[1].split("=")[0])
            self.gate.wait(self.chance.uniform(0.3, 1.5))
            self.set_lines()

    def park(self) -> None:
        self.set_lines()

    def set_lines(self, *lines: str) -> None:
        lost = [f"sim:{number} lost=1" for number in self._lost]
        self._stage.set_faults("\n".join([*lost, *lines]))

    def _lose(self, number: int) -> None:
        self._lost.append(number)
        self.set_lines()
        self.kinds.add("lost")
        with self._stage.connect() as client:  # somebody has to find out
            client.predict(models.lossy(number), {"x": reference("mlp", "x", 1)})

    def _wrong_products(self) -> None:
        """The golden rows find it out: the version serves on another device."""
        with self._stage.connect() as client:
            stub = admin_grpc.ModelAdminServiceStub(client.channel)
            self.set_lines(f"{models.CHECKED_DEVICE} wrong_products=1")
            try:
                unload(stub, "checked")
                load(stub, "checked")
                assert client.model("checked").placement.device == "cpu", "a device that computes wrongly was taken"
                answer = client.predict("checked", {"x": reference("mlp", "x", 7)})
                assert_close(array(answer.outputs["probabilities"]), reference("mlp", "probabilities", 7))
                self.refused_placements += 1
            finally:
                self.set_lines()
            unload(stub, "checked")
            load(stub, "checked")
            self.kinds.add("wrong_products")


def team(gate: Gate, seed: int, stage: Stage) -> Iterator[Actor]:
    yield Swaps("swaps", gate, seed, stage)
    yield Faults("faults", gate, seed, stage)


