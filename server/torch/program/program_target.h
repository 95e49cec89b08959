// The target that a program is converted to. The converter knows operators by the dispatcher's schemas, which outlive
// TorchScript. This interface hides what runs them. jit_target.h makes a TorchScript module.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace torchferry::libtorch {

// Makes code in the order of the calls. All functions throw std::exception with the reason for code that cannot be
// made.
class ProgramTarget {
 public:
  // A value of the code that is being made, as one of the calls below returned it.
  using Value = uint32_t;
  using Values = std::vector<Value>;
  // Makes the code of a block and gives its results.
  using Block = std::function<Values()>;
  using LoopBlock = std::function<Values(const Values& carried)>;

  virtual ~ProgramTarget() = default;

  virtual c10::TypePtr TypeOf(Value value) const = 0;
  // The value of a constant; nothing for other values.
  virtual std::optional<c10::IValue> Known(Value value) const = 0;
  // The shape of a weight or a constant tensor; nothing for a computed value.
  virtual std::optional<at::IntArrayRef> KnownShape(Value value) const = 0;

  // The next argument of the call.
  virtual Value Input(const std::string& name, const c10::TypePtr& type) = 0;
  // The tensor of the module that is called `key`.
  virtual Value Weight(const std::string& key) = 0;
  virtual Value Constant(const c10::IValue& value) = 0;
  virtual Value List(const c10::TypePtr& element, const Values& items) = 0;
  virtual Values Unpack(Value list, size_t count) = 0;

  // The operator of the dispatcher with that schema; one value for each of its arguments.
  virtual Values Call(const c10::FunctionSchema& schema, const Values& arguments) = 0;
  // Python's arithmetic on numbers, by the names of the module `operator` ("floordiv", "lt", "and_"), of `math`
  // ("ceil", "sqrt"), and "max" and "min".
  virtual Value Arithmetic(const std::string& function, const Values& arguments) = 0;
  // A number, or a tensor of one element, as int, float or bool.
  virtual Value Number(c10::TypeKind kind, Value value) = 0;
  // A property of a tensor: "size" and "stride" of a dimension, or of all without one; "numel", "storage_offset".
  virtual Value Property(const std::string& name, const Values& arguments) = 0;

  virtual Values If(Value condition, const Block& then, const Block& otherwise) = 0;
  // `body` runs while the one bool that `condition` gives is true.
  virtual Values While(const Values& carried, const LoopBlock& condition, const LoopBlock& body) = 0;
  // Fails with `message` unless `condition`.
  virtual void Assert(Value condition, const std::string& message) = 0;
  // Writes to the tensor of the module that is called `key`.
  virtual void Write(const std::string& key, Value value) = 0;
  // Ends the code: one tensor, or a tuple of several.
  virtual void Return(const Values& results) = 0;
};

}  // namespace torchferry::libtorch
