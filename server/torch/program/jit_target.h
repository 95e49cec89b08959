// A TorchScript module as the target of a program.
#pragma once

#include <torch/script.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/torch/program/program_target.h"

namespace torchferry::libtorch {

class JitTarget final : public ProgramTarget {
 public:
  // `module` has the tensors, each at the place of its key, and no forward.
  explicit JitTarget(torch::jit::Module module);
  ~JitTarget() override;

  // The module with the generated code as its `forward`. Called once, after Return.
  torch::jit::Module Finish();

  c10::TypePtr TypeOf(Value value) const override;
  std::optional<c10::IValue> Known(Value value) const override;
  std::optional<at::IntArrayRef> KnownShape(Value value) const override;
  Value Input(const std::string& name, const c10::TypePtr& type) override;
  Value Weight(const std::string& key) override;
  Value Constant(const c10::IValue& value) override;
  Value List(const c10::TypePtr& element, const Values& items) override;
  Values Unpack(Value list, size_t count) override;
  Values Call(const c10::FunctionSchema& schema, const Values& arguments) override;
  Value Arithmetic(const std::string& function, const Values& arguments) override;
  Value Number(c10::TypeKind kind, Value value) override;
  Value Property(const std::string& name, const Values& arguments) override;
  Values If(Value condition, const Block& then, const Block& otherwise) override;
  Values While(const Values& carried, const LoopBlock& condition, const LoopBlock& body) override;
  void Assert(Value condition, const std::string& message) override;
  void Write(const std::string& key, Value value) override;
  void Return(const Values& results) override;

 private:
  Value Keep(torch::jit::Value* value);
  torch::jit::Value* Of(Value value) const { return values_.at(value); }
  std::vector<torch::jit::Value*> Of(const Values& values) const;
  Value Insert(const std::string& qualified_name, const std::vector<torch::jit::Value*>& arguments);
  torch::jit::Value* Module(const std::string& path);
  void FillBlock(torch::jit::Block* block, const Block& fill);

  torch::jit::Module module_;
  const std::shared_ptr<torch::jit::Graph> graph_;
  torch::jit::Value* const self_;
  std::vector<torch::jit::Value*> values_;
  std::map<std::string, Value> weights_;
  std::map<std::string, torch::jit::Value*> modules_;
};

}  // namespace torchferry::libtorch
