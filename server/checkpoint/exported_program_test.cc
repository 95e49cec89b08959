#include "server/checkpoint/exported_program.h"

#include <cmath>
#include <limits>

#include "server/checkpoint/test_programs.h"

namespace torchferry::checkpoint {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using testing::EditedProgram;
using testing::Edits;
using ::testing::ElementsAre;
using testing::Fails;
using ::testing::HasSubstr;
using testing::ProgramFile;
using testing::ProgramParts;
using ::testing::SizeIs;
using ArgumentKind = GraphArgument::Kind;

absl::Status ErrorOf(const Edits& edits) { return ReadExportedProgram(EditedProgram(edits), "").status(); }

// The argument `json` in place of the first node's first.
absl::StatusOr<GraphArgument> ArgumentOf(const std::string& json) {
  absl::StatusOr<ExportedProgram> program =
      ReadExportedProgram(EditedProgram({{R"("arg": {"as_tensor": {"name": "x"}})", "\"arg\": " + json}}), "");
  if (!program.ok()) return program.status();
  return program->graph.nodes[0].inputs[0].value;
}

TEST(ExportedProgramTest, GraphSignatureAndRangesAreRead) {
  const auto program = ReadExportedProgram(ProgramFile(), "");
  ASSERT_TRUE(program.ok()) << program.status();
  EXPECT_EQ(program->name, "model");
  EXPECT_EQ(program->torch_version, "2.11.0");
  EXPECT_EQ(program->dialect, "TRAINING");
  EXPECT_TRUE(program->gives_one_tensor);
  EXPECT_EQ(program->samples, nullptr);

  ASSERT_THAT(program->inputs, SizeIs(3));
  EXPECT_EQ(program->inputs[0].kind, ProgramInput::Kind::kParameter);
  EXPECT_EQ(program->inputs[0].name, "p_weight");
  EXPECT_EQ(program->inputs[0].key, "weight");
  EXPECT_EQ(program->inputs[1].kind, ProgramInput::Kind::kConstant);
  EXPECT_EQ(program->inputs[2].kind, ProgramInput::Kind::kUser);
  EXPECT_EQ(program->inputs[2].name, "x");
  ASSERT_THAT(program->outputs, SizeIs(1));
  EXPECT_EQ(program->outputs[0].value.text, "add");
  EXPECT_EQ(program->outputs[0].name, "");

  ASSERT_THAT(program->graph.nodes, SizeIs(2));
  const GraphNode& linear = program->graph.nodes[0];
  EXPECT_EQ(linear.target, "torch.ops.aten.linear.default");
  ASSERT_THAT(linear.inputs, SizeIs(2));
  EXPECT_EQ(linear.inputs[1].name, "weight");
  EXPECT_EQ(linear.inputs[1].value.kind, ArgumentKind::kTensor);
  EXPECT_EQ(linear.outputs[0].text, "linear");

  const ExportedTensor& x = program->graph.tensors.at("x");
  EXPECT_EQ(x.dtype, "float32");
  EXPECT_EQ(x.device, "cuda:1");
  EXPECT_EQ(x.layout, "strided");
  EXPECT_EQ(x.sizes[0].symbol, "s77");
  EXPECT_EQ(x.sizes[1].known, 2);
  ASSERT_TRUE(program->ranges.contains("s77"));
  EXPECT_EQ(program->ranges.at("s77").min, 1);
  EXPECT_EQ(program->ranges.at("s77").max, 64);
}

TEST(ExportedProgramTest, ARangeWithoutALimitHasNone) {
  const std::string range = R"({"min_val": 1, "max_val": 64})";
  for (const char* other :
       {R"({"min_val": null, "max_val": null})", R"({"min_val": "-Infinity", "max_val": "Infinity"})",
        R"({"min_val": 0, "max_val": 9223372036854775806})"}) {
    const auto program = ReadExportedProgram(EditedProgram({{range, other}}), "");
    ASSERT_TRUE(program.ok()) << program.status();
    EXPECT_EQ(program->ranges.at("s77").min, 0);
    EXPECT_FALSE(program->ranges.at("s77").max.has_value());
  }
  EXPECT_THAT(ErrorOf({{range, R"({"min_val": 1.5, "max_val": 2})"}}),
              Fails(StatusCode::kDataLoss, HasSubstr("min_val")));
}

TEST(ExportedProgramTest, ArgumentsOfEachKind) {
  struct Case {
    std::string json;
    ArgumentKind kind;
    std::string text;
  };
  for (const Case& c : {
           Case{R"({"as_none": true})", ArgumentKind::kNone, ""},
           {R"({"as_none": []})", ArgumentKind::kNone, ""},
           {R"({"as_tensor": "x"})", ArgumentKind::kTensor, "x"},
           {R"({"as_optional_tensor": {"as_tensor": {"name": "x"}}})", ArgumentKind::kTensor, "x"},
           {R"({"as_optional_tensor": {"as_none": true}})", ArgumentKind::kNone, ""},
           {R"({"as_sym_int": {"as_name": "s"}})", ArgumentKind::kSymInt, "s"},
           {R"({"as_sym_float": {"as_name": "s"}})", ArgumentKind::kSymFloat, "s"},
           {R"({"as_sym_bool": {"as_name": "s"}})", ArgumentKind::kSymBool, "s"},
           {R"({"as_string": "two\nlines"})", ArgumentKind::kString, "two\nlines"},
           {R"({"as_scalar_type": 13})", ArgumentKind::kDType, "bfloat16"},
           {R"({"as_scalar_type": 35})", ArgumentKind::kDType, "uint64"},
           {R"({"as_layout": 7})", ArgumentKind::kLayout, "strided"},
           {R"({"as_memory_format": 4})", ArgumentKind::kMemoryFormat, "preserve_format"},
           {R"({"as_device": {"type": "cuda", "index": 2}})", ArgumentKind::kDevice, "cuda:2"},
           {R"({"as_device": {"type": "cpu", "index": null}})", ArgumentKind::kDevice, "cpu"},
           {R"({"as_operator": "_operator.add"})", ArgumentKind::kOperator, "_operator.add"},
           {R"({"as_custom_obj": {"name": "o", "class_fqn": "c"}})", ArgumentKind::kObject, "o"},
       }) {
    const auto argument = ArgumentOf(c.json);
    ASSERT_TRUE(argument.ok()) << c.json << argument.status();
    EXPECT_EQ(argument->kind, c.kind) << c.json;
    EXPECT_EQ(argument->text, c.text) << c.json;
  }
  EXPECT_EQ(ArgumentOf(R"({"as_int": -7})")->integer, -7);
  EXPECT_EQ(ArgumentOf(R"({"as_bool": true})")->integer, 1);
  EXPECT_EQ(ArgumentOf(R"({"as_float": 0.5})")->number, 0.5);
  EXPECT_EQ(ArgumentOf(R"({"as_float": "-Infinity"})")->number, -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(ArgumentOf(R"({"as_float": "NaN"})")->number));
  EXPECT_EQ(ArgumentOf(R"({"as_complex": {"real": 1.0, "imag": -2}})")->imaginary, -2);
  const auto known = ArgumentOf(R"({"as_sym_int": {"as_int": 5}})");
  EXPECT_EQ(known->kind, ArgumentKind::kSymInt);
  EXPECT_EQ(known->text, "");
  EXPECT_EQ(known->integer, 5);
}

TEST(ExportedProgramTest, ListsKnowTheKindOfTheirItems) {
  const auto optional = ArgumentOf(R"({"as_optional_tensors": [{"as_tensor": {"name": "x"}}, {"as_none": true}]})");
  ASSERT_TRUE(optional.ok()) << optional.status();
  EXPECT_EQ(optional->kind, ArgumentKind::kList);
  EXPECT_EQ(optional->item_kind, ArgumentKind::kTensor);
  ASSERT_THAT(optional->items, SizeIs(2));
  EXPECT_EQ(optional->items[1].kind, ArgumentKind::kNone);
  EXPECT_EQ(ArgumentOf(R"({"as_ints": []})")->item_kind, ArgumentKind::kInt);
  EXPECT_EQ(ArgumentOf(R"({"as_floats": ["Infinity", 1]})")->items[1].number, 1);
  EXPECT_EQ(ArgumentOf(R"({"as_sym_ints": [{"as_name": "s"}, {"as_int": 2}]})")->items[1].integer, 2);
  EXPECT_EQ(ArgumentOf(R"({"as_int_lists": [[1, 2], []]})")->items[1].item_kind, ArgumentKind::kInt);
  EXPECT_EQ(ArgumentOf(R"({"as_nested_tensors": [[{"name": "x"}]]})")->items[0].items[0].text, "x");
}

TEST(ExportedProgramTest, ArgumentsThatAreNoneAreRefused) {
  const std::string hint = "export the model with PyTorch up to 2.15";
  EXPECT_THAT(ArgumentOf(R"({"as_future": 1})").status(),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("\"as_future\""), HasSubstr(hint))));
  EXPECT_THAT(ArgumentOf(R"({"as_string_to_argument": {}})").status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("\"as_string_to_argument\"")));
  EXPECT_THAT(ArgumentOf(R"({"as_scalar_type": 99})").status(),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("a dtype of the kind \"99\""), HasSubstr(hint))));
  for (const char* wrong :
       {R"({})", R"({"as_int": 1, "as_float": 2})", R"({"as_int": "1"})", R"({"as_int": true})", R"({"as_bool": 1})",
        R"({"as_float": "1"})", R"({"as_ints": 1})", R"({"as_ints": ["a"]})", R"({"as_int_lists": [1]})",
        R"({"as_tensor": {}})", R"({"as_tensor": {"name": ""}})", R"({"as_tensor": {"name": "a\u0000"}})",
        R"({"as_device": {"type": "cuda", "index": -1}})", R"({"as_complex": {"real": 1}})", R"({"as_string": 1})",
        R"({"as_graph": {"name": "g", "graph": {}}})", R"({"as_sym_int": {}})"}) {
    EXPECT_THAT(ArgumentOf(wrong).status(),
                Fails(StatusCode::kDataLoss, AllOf(HasSubstr("m/1/model.pt2: "), HasSubstr("nodes[0]"))))
        << wrong;
  }
}

TEST(ExportedProgramTest, GraphsNestUpToALimit) {
  const auto nested = [](size_t depth) {
    std::string graph = R"({"inputs": [], "outputs": [], "tensor_values": {}, "nodes": []})";
    for (size_t i = 1; i < depth; ++i) {
      graph = R"({"inputs": [], "outputs": [], "tensor_values": {}, "nodes": [{"target": "torch.ops.higher_order.cond",
                  "outputs": [], "inputs": [{"name": "", "arg": {"as_graph": {"name": "g", "graph": )" +
              graph + "}}}]}]}";
    }
    return R"({"as_graph": {"name": "g", "graph": )" + graph + "}}";
  };
  const auto deep = ArgumentOf(nested(16));
  ASSERT_TRUE(deep.ok()) << deep.status();
  EXPECT_EQ(deep->graph->nodes[0].inputs[0].value.kind, ArgumentKind::kGraph);
  EXPECT_THAT(ArgumentOf(nested(17)).status(), Fails(StatusCode::kDataLoss, HasSubstr("nest more than 16 deep")));
}

TEST(ExportedProgramTest, InputsAndOutputsOfOtherKinds) {
  const auto program = ReadExportedProgram(
      EditedProgram(
          {{R"({"as_tensor": {"name": "x"}}])", R"({"as_tensor": {"name": "x"}}, {"as_int": 3}, {"as_none": true}])"},
           {R"("outputs": [{"as_tensor": {"name": "add"}}])",
            R"("outputs": [{"as_tensor": {"name": "linear"}}, {"as_tensor": {"name": "add"}}])"},
           {R"({"user_input": {"arg": {"as_tensor": {"name": "x"}}}}])",
            R"({"user_input": {"arg": {"as_tensor": {"name": "x"}}}},
                         {"constant_input": {"name": "n", "value": {"as_int": 3}}}, {"user_input": {"arg": {"as_none": true}}}])"},
           {R"({"tensor_constant": {"arg": {"name": "c_bias"}, "tensor_constant_name": "bias"}})",
            R"({"buffer": {"arg": {"name": "c_bias"}, "buffer_name": "bias", "persistent": false}})"},
           {R"("output_specs": [)",
            R"("output_specs": [{"buffer_mutation": {"arg": {"name": "linear"}, "buffer_name": "bias"}}, )"}}),
      "");
  ASSERT_TRUE(program.ok()) << program.status();
  ASSERT_THAT(program->inputs, SizeIs(5));
  EXPECT_EQ(program->inputs[1].kind, ProgramInput::Kind::kBuffer);
  EXPECT_FALSE(program->inputs[1].is_persistent);
  EXPECT_EQ(program->inputs[3].kind, ProgramInput::Kind::kSpecialised);
  EXPECT_EQ(program->inputs[3].value.integer, 3);
  EXPECT_EQ(program->inputs[4].kind, ProgramInput::Kind::kSpecialised);
  EXPECT_EQ(program->inputs[4].value.kind, ArgumentKind::kNone);
  EXPECT_EQ(program->outputs[0].kind, ProgramOutput::Kind::kBufferMutation);
  EXPECT_EQ(program->outputs[0].key, "bias");
}

TEST(ExportedProgramTest, WhatIsNoInferenceIsRefusedWithAWayOut) {
  const std::string user_output = R"("user_output": {"arg": {"as_tensor": {"name": "add"}}})";
  const std::string way_out = "torch.export.export(model.eval(), args)";
  struct Case {
    std::string spec;
    std::string says;
  };
  for (const Case& c :
       {Case{R"("parameter_mutation": {"arg": {"name": "add"}, "parameter_name": "weight"})", "\"weight\""},
        {R"("loss_output": {"arg": {"name": "add"}})", "a loss"},
        {R"("gradient_to_parameter": {"arg": {"name": "add"}, "parameter_name": "weight"})", "gradients"},
        {R"("gradient_to_user_input": {"arg": {"name": "add"}, "user_input_name": "x"})", "gradients"}}) {
    EXPECT_THAT(ErrorOf({{user_output, c.spec}}),
                Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr(c.says), HasSubstr(way_out))));
  }
  EXPECT_THAT(ErrorOf({{user_output, R"("token": {"arg": {"name": "add"}})"}}),
              Fails(StatusCode::kInvalidArgument, HasSubstr("side effects")));
  EXPECT_THAT(ErrorOf({{user_output, R"("future": {})"}}),
              Fails(StatusCode::kInvalidArgument, HasSubstr("\"future\"")));
  const std::string user_input = R"({"user_input": {"arg": {"as_tensor": {"name": "x"}}}})";
  EXPECT_THAT(
      ErrorOf({{user_input, R"({"custom_obj": {"arg": {"name": "o", "class_fqn": "c"}, "custom_obj_name": "o"}})"}}),
      Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("TorchBind"), HasSubstr("\"o\""))));
  EXPECT_THAT(ErrorOf({{user_input, R"({"token": {"arg": {"name": "t"}}})"}}),
              Fails(StatusCode::kInvalidArgument, HasSubstr("side effects")));
  EXPECT_THAT(ErrorOf({{"\"major\": 8", "\"major\": 9"}}),
              Fails(StatusCode::kInvalidArgument, AllOf(HasSubstr("version 9"), HasSubstr("2.7 to 2.15"))));
}

TEST(ExportedProgramTest, ASignatureAtOddsWithItsGraphIsRefused) {
  struct Case {
    std::string from;
    std::string to;
    std::string says;
  };
  for (const Case& c : {
           Case{R"({"user_input": {"arg": {"as_tensor": {"name": "x"}}}})",
                R"({"user_input": {"arg": {"as_tensor": {"name": "y"}}}})",
                "input 2 is \"y\" in its signature and \"x\" in its graph"},
           {R"("output_specs": [{"user_output": {"arg": {"as_tensor": {"name": "add"}}}}])", R"("output_specs": [])",
            "3 inputs and 0 outputs"},
           {R"("user_output": {"arg": {"as_tensor": {"name": "add"}}})",
            R"("user_output": {"arg": {"as_tensor": {"name": "linear"}}})", "output 0 is \"linear\""},
           {R"({"as_tensor": {"name": "p_weight"}})", R"({"as_sym_int": {"as_name": "p_weight"}})",
            "is no tensor in its graph"},
           {R"("x": {"dtype")", R"("z": {"dtype")", "says nothing of the tensor \"x\""},
           {R"("parameter_name": "weight")", R"("parameter_name": "other")", "lacks the tensor \"other\""},
           {R"("parameter_name": "weight")", R"("parameter_name": "")", "no clean text"},
           {R"("sizes": [{"as_int": 2}, {"as_int": 2}])", R"("sizes": [{"as_int": 2}, {"as_int": 3}])",
            "its graph expects torch.float32"},
           {R"("p_weight": {"dtype": 7)", R"("p_weight": {"dtype": 6)", "its graph expects torch.float16"},
           {R"("graph_module")", R"("no_module")", "has no \"graph_module\""},
           {R"("nodes": [)", R"("knots": [)", "has no \"nodes\""},
           {R"("target": "torch.ops.aten.linear.default")", R"("target": 1)", "target"},
           {R"("schema_version": {"major": 8, )", R"("schema_version": {)", "has no \"major\""},
           {R"("children_spec\": []}]")", R"("children_spec\": []}")", "out_spec"},
       }) {
    EXPECT_THAT(ErrorOf({{c.from, c.to}}),
                Fails(StatusCode::kDataLoss, AllOf(HasSubstr("m/1/model.pt2: "), HasSubstr(c.says))))
        << c.to;
  }
}

TEST(ExportedProgramTest, OneOfSeveralProgramsIsChosenByName) {
  const auto bytes = [](const std::vector<std::string>& names) {
    testing::ZipBuilder zip;
    for (const std::string& name : names) {
      zip.Add("m/models/" + name + ".json", std::string(testing::kProgram))
          .Add("m/data/weights/" + name + "_weights_config.json", std::string(testing::kWeights))
          .Add("m/data/constants/" + name + "_constants_config.json", std::string(testing::kConstants));
    }
    return testing::AsFile(zip.Add("m/data/weights/weight_0", std::string(16, '\x01'))
                               .Add("m/data/constants/tensor_0", std::string(8, '\x01'))
                               .Build(),
                           "m/1/model.pt2");
  };
  const auto two = bytes({"encoder", "decoder"});
  EXPECT_THAT(*ListPrograms(two), ElementsAre("encoder", "decoder"));
  EXPECT_THAT(
      ReadExportedProgram(two, "").status(),
      Fails(StatusCode::kFailedPrecondition, AllOf(HasSubstr("2 programs"), HasSubstr("\"encoder\", \"decoder\""),
                                                   HasSubstr("config.pbtxt: torchferry { program: \"encoder\" }"))));
  EXPECT_THAT(ReadExportedProgram(two, "model").status(),
              Fails(StatusCode::kFailedPrecondition,
                    AllOf(HasSubstr("no program \"model\"; it has"), HasSubstr("\"encoder\""))));
  EXPECT_EQ(ReadExportedProgram(two, "decoder")->name, "decoder");
  EXPECT_EQ(ReadExportedProgram(bytes({"other", "model"}), "")->name, "model");
  EXPECT_EQ(ReadExportedProgram(bytes({"other"}), "")->name, "other");
  EXPECT_THAT(*ListPrograms(testing::Fixture("tied.pt")), SizeIs(0));
  EXPECT_THAT(ReadExportedProgram(testing::Fixture("tied.pt"), "").status(),
              Fails(StatusCode::kInvalidArgument, HasSubstr("no torch.export program")));
}

TEST(ExportedProgramTest, EachPrefixOfAFileIsAnError) {
  const std::string whole = testing::ProgramBytes({});
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(ReadExportedProgram(testing::AsFile(whole.substr(0, size)), "").ok()) << size;
  }
}

}  // namespace
}  // namespace torchferry::checkpoint
