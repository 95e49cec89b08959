"""Seeds of program_fuzz: torch.export programs as JSON, and archives of the three layouts."""

import io
import json
import zipfile


def tensor(name):
    return {"as_tensor": {"name": name}}


def meta(sizes, dtype=7, **more):
    return {"dtype": dtype, "sizes": [{"as_int": s} if isinstance(s, int) else {"as_expr": {"expr_str": s, "hint": {"as_int": 3}}} for s in sizes],
            "requires_grad": False, "device": {"type": "cpu", "index": None}, "strides": [{"as_int": 1} for _ in sizes],
            "storage_offset": {"as_int": 0}, "layout": 7} | more


def node(target, inputs, outputs):
    return {"target": target, "inputs": [{"name": name, "arg": value, "kind": 1} for name, value in inputs], "outputs": outputs,
            "metadata": {"stack_trace": "File \"model.py\", line 1"}, "is_hop_single_tensor_return": None}


def graph(inputs, nodes, outputs, tensors):
    return {"inputs": inputs, "outputs": outputs, "nodes": nodes, "tensor_values": tensors, "sym_int_values": {}, "sym_bool_values": {},
            "is_single_tensor_return": False, "custom_obj_values": {}, "sym_float_values": {}}


def program(module_graph, inputs, outputs, spec, **more):
    """A program whose inputs and outputs have these specs, and whose result is the tree `spec`."""
    call = {"inputs": [], "outputs": [], "in_spec": "", "out_spec": json.dumps([1, spec]), "forward_arg_names": ["x"]}
    return {"graph_module": {"graph": module_graph, "signature": {"input_specs": inputs, "output_specs": outputs},
                             "module_call_graph": [{"fqn": "", "signature": call}], "metadata": {},
                             "treespec_namedtuple_fields": {"m.Pair": {"field_names": ["left", "right"]}}},
            "opset_version": {"aten": 10}, "range_constraints": {"s77": {"min_val": 1, "max_val": None}},
            "schema_version": {"major": 8, "minor": 17}, "verifiers": ["TRAINING"], "torch_version": "2.11.0", "guards_code": []} | more


LEAF = {"type": None, "context": None, "children_spec": []}
SYMBOL = "Symbol('s77', positive=True, integer=True)"


def linear():
    tensors = {"p_weight": meta([2, 2]), "x": meta([SYMBOL, 2]), "linear": meta([SYMBOL, 2])}
    nodes = [node("torch.ops.aten.linear.default", [("input", tensor("x")), ("weight", tensor("p_weight"))], [tensor("linear")])]
    return program(graph([tensor("p_weight"), tensor("x")], nodes, [tensor("linear")], tensors),
                   [{"parameter": {"arg": {"name": "p_weight"}, "parameter_name": "weight"}}, {"user_input": {"arg": tensor("x")}}],
                   [{"user_output": {"arg": tensor("linear")}}], LEAF)


def arguments():
    """One argument of each kind, and outputs in a tree."""
    values = [{"as_none": True}, {"as_int": -1}, {"as_ints": [1, 2]}, {"as_float": 0.5}, {"as_float": "-Infinity"}, {"as_floats": [1.0, "NaN"]},
              {"as_string": "a"}, {"as_strings": ["a", "b"]}, {"as_sym_int": {"as_name": "s"}}, {"as_sym_ints": [{"as_name": "s"}, {"as_int": 4}]},
              {"as_scalar_type": 13}, {"as_memory_format": 4}, {"as_layout": 7}, {"as_device": {"type": "cuda", "index": 1}}, {"as_bool": True},
              {"as_bools": [True]}, {"as_sym_bool": {"as_bool": False}}, {"as_sym_bools": [{"as_name": "b"}]}, {"as_tensors": [{"name": "x"}]},
              {"as_optional_tensors": [{"as_tensor": {"name": "x"}}, {"as_none": True}]}, {"as_optional_tensor": {"as_none": True}},
              {"as_custom_obj": {"name": "o", "class_fqn": "c"}}, {"as_operator": "aten.add"}, {"as_sym_float": {"as_float": 1.5}},
              {"as_sym_floats": []}, {"as_complex": {"real": 1.0, "imag": "NaN"}}, {"as_nested_tensors": [[{"name": "x"}]]},
              {"as_int_lists": [[1], []]}, {"as_float_lists": [[1.5]]}]
    nodes = [node("torch.ops.aten.cat.default", [("", value) for value in values], [tensor("y"), {"as_none": True}])]
    specs = [{"buffer_mutation": {"arg": {"name": "y"}, "buffer_name": "weight"}}, {"user_input_mutation": {"arg": {"name": "y"}, "user_input_name": "x"}},
             {"user_output": {"arg": tensor("y")}}, {"user_output": {"arg": {"as_none": True}}}, {"user_output": {"arg": {"as_int": 3}}}]
    outputs = [tensor("y"), tensor("y"), tensor("y"), {"as_none": True}, {"as_int": 3}]
    spec = {"type": "builtins.dict", "context": "[\"a\", \"b\"]", "children_spec": [
        LEAF, {"type": "collections.namedtuple", "context": "m.Pair", "children_spec": [LEAF, LEAF]}]}
    inputs = [{"buffer": {"arg": {"name": "b"}, "buffer_name": "weight", "persistent": False}}, {"user_input": {"arg": tensor("x")}},
              {"constant_input": {"name": "n", "value": {"as_int": 3}}}, {"user_input": {"arg": {"as_sym_int": {"as_name": "s"}}}}]
    tensors = {"b": meta([2, 2]), "x": meta(["Mul(Integer(4), " + SYMBOL + ")", "4*s77"], dtype=13), "y": meta([])}
    return program(graph([tensor("b"), tensor("x"), {"as_int": 3}, {"as_sym_int": {"as_name": "s"}}], nodes, outputs, tensors), inputs, specs, spec)


def branches():
    inner = graph([tensor("x")], [node("torch.ops.aten.relu.default", [("self", tensor("x"))], [tensor("relu")])], [tensor("relu")], {"relu": meta([2])})
    nodes = [node("torch.ops.higher_order.cond", [("", {"as_bool": True}), ("", {"as_graph": {"name": "yes", "graph": inner}}),
                                                  ("", {"as_graph": {"name": "no", "graph": inner}}), ("", {"as_tensors": [{"name": "x"}]})],
                  [{"as_tensors": [{"name": "y"}]}])]
    return program(graph([tensor("x")], nodes, [tensor("y")], {"x": meta([2])}), [{"user_input": {"arg": tensor("x")}}],
                   [{"user_output": {"arg": tensor("y")}}], {"type": "builtins.tuple", "context": "null", "children_spec": [LEAF]})


def config():
    """Of weights: two that share a storage, and a view of it."""
    weights = {"a": ([2, 2], [2, 1], 0), "b": ([2, 2], [2, 1], 0), "c": ([3], [2], 1)}
    return {"config": {key: {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": meta(
        sizes, strides=[{"as_int": stride} for stride in strides], storage_offset={"as_int": offset})}
        for key, (sizes, strides, offset) in weights.items()}}


def archive(entries):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as target:
        for name, content in entries.items():
            target.writestr(zipfile.ZipInfo(name), content)
    return data.getvalue()


def seeds(state_dict):
    """{file name: bytes}; `state_dict` is the file of torch.save of one, which old programs hold."""
    texts = {name: json.dumps(make()).encode() for name, make in
             (("linear", linear), ("arguments", arguments), ("branches", branches), ("config", config))}
    weights = json.dumps(config()).encode()
    zips = {
        "of_2_9": {"m/models/model.json": texts["linear"], "m/data/weights/model_weights_config.json": weights.replace(b'"a"', b'"weight"'),
                   "m/data/weights/weight_0": bytes(64), "m/data/constants/model_constants_config.json": b'{"config": {}}',
                   "m/data/sample_inputs/model.pt": state_dict},
        "of_2_8": {"m/models/model.json": texts["branches"], "m/data/weights/model.pt": state_dict, "m/data/constants/model.pt": state_dict},
        "of_2_7": {"serialized_exported_program.json": texts["branches"], "serialized_state_dict.pt": state_dict,
                   "serialized_constants.pt": state_dict, "version": b"8.7"},
    }
    return {f"{name}.json.seed": text for name, text in texts.items()} | {f"{name}.seed": archive(entries) for name, entries in zips.items()}
