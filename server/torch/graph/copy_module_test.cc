#include "server/torch/graph/copy_module.h"

#include <gtest/gtest.h>
#include <torch/custom_class.h>

namespace torchferry::libtorch {
namespace {

using torch::jit::Module;

// A class of C++ with state that no analysis sees into.
struct Counter : torch::CustomClassHolder {
  int64_t count = 0;
  int64_t Next() { return ++count; }
};

const auto kCounterClass = torch::class_<Counter>("torchferry_test", "Counter")
                               .def(torch::init<>())
                               .def("next", &Counter::Next)
                               .def_pickle([](const c10::intrusive_ptr<Counter>& counter) { return counter->count; },
                                           [](int64_t count) {
                                             auto counter = c10::make_intrusive<Counter>();
                                             counter->count = count;
                                             return counter;
                                           });

at::Tensor Forward(Module& module) { return module.forward({at::zeros({1})}).toTensor(); }

TEST(CopyModuleTest, SharesTheTensorsThatAreNotWritten) {
  Module module("m");
  module.register_parameter("weight", at::ones({4}), false);
  module.register_buffer("sum", at::zeros({1}));
  ModuleState state;
  state.writes_tensors = true;
  state.written = {"sum"};
  const Module copy = CopyModule(module, state);
  EXPECT_EQ(copy.attr("weight").toTensor().data_ptr(), module.attr("weight").toTensor().data_ptr());
  EXPECT_NE(copy.attr("sum").toTensor().data_ptr(), module.attr("sum").toTensor().data_ptr());
  EXPECT_TRUE(at::equal(copy.attr("sum").toTensor(), module.attr("sum").toTensor()));
}

TEST(CopyModuleTest, EachCopyCountsForItself) {
  Module inner("inner");
  inner.register_buffer("sum", at::zeros({1}));
  inner.register_attribute("past", c10::ListType::ofInts(), c10::List<int64_t>());
  inner.define(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  self.sum.add_(1)\n"
      "  self.past.append(1)\n"
      "  return x + self.sum * 10 + len(self.past)\n");
  Module module("m");
  module.register_module("inner", inner);
  module.register_attribute("calls", c10::IntType::get(), 0);
  module.define(
      "def forward(self, x: Tensor) -> Tensor:\n"
      "  self.calls += 1\n"
      "  return self.inner.forward(x) + self.calls * 100\n");
  const auto state = FindState(module, "m").value().value();
  Module first = CopyModule(module, state);
  Module second = CopyModule(module, state);
  EXPECT_EQ(Forward(first).item<int64_t>(), 111);
  EXPECT_EQ(Forward(first).item<int64_t>(), 222);
  EXPECT_EQ(Forward(second).item<int64_t>(), 111);
  Module third = CopyModule(module, state);
  EXPECT_EQ(Forward(third).item<int64_t>(), 111);
}

TEST(CopyModuleTest, CopiesAnObjectOfCppWhoseMethodsForwardCalls) {
  Module module("m");
  module.register_attribute("counter", c10::getCustomClassType<c10::intrusive_ptr<Counter>>(),
                            c10::make_intrusive<Counter>());
  module.define("def forward(self, x: Tensor) -> Tensor:\n  return x + self.counter.next()\n");
  const auto state = FindState(module, "m").value().value();
  EXPECT_EQ(state.reason, "forward calls next, which cannot be looked into");
  EXPECT_TRUE(state.writes_any_tensor);
  Module first = CopyModule(module, state);
  Module second = CopyModule(module, state);
  EXPECT_EQ(Forward(first).item<int64_t>(), 1);
  EXPECT_EQ(Forward(first).item<int64_t>(), 2);
  EXPECT_EQ(Forward(second).item<int64_t>(), 1);
}

TEST(CopyModuleTest, WhatWasOneStaysOne) {
  const at::Tensor memory = at::zeros({4});
  const c10::List<at::Tensor> list({memory});
  Module module("m");
  module.register_buffer("all", memory);
  module.register_buffer("same", memory);
  module.register_buffer("view", memory.slice(0, 1, 3));
  module.register_attribute("list", c10::ListType::ofTensors(), list);
  module.register_attribute("same_list", c10::ListType::ofTensors(), list);
  ModuleState state;
  state.writes_tensors = true;
  state.written = {"view"};
  const Module copy = CopyModule(module, state);
  copy.attr("view").toTensor().fill_(7);
  EXPECT_TRUE(at::equal(copy.attr("all").toTensor(), at::tensor({0.f, 7.f, 7.f, 0.f})));
  EXPECT_TRUE(copy.attr("same").toTensor().is_same(copy.attr("all").toTensor()));
  EXPECT_TRUE(copy.attr("list").toTensorList().get(0).is_same(copy.attr("all").toTensor()));
  copy.attr("list").toList().clear();
  EXPECT_EQ(copy.attr("same_list").toList().size(), 0u);
  EXPECT_EQ(module.attr("list").toList().size(), 1u);
  EXPECT_TRUE(at::equal(memory, at::zeros({4})));
}

TEST(CopyModuleTest, CopiesEveryTensorWhenItCannotBeToldWhich) {
  Module module("m");
  module.register_parameter("weight", at::ones({4}), false);
  c10::Dict<std::string, at::Tensor> cache;
  cache.insert("k", at::ones({2}));
  module.register_attribute("cache", c10::DictType::create(c10::StringType::get(), c10::TensorType::get()), cache);
  ModuleState state;
  state.writes_tensors = state.writes_any_tensor = true;
  const Module copy = CopyModule(module, state);
  copy.attr("weight").toTensor().zero_();
  copy.attr("cache").toGenericDict().at("k").toTensor().zero_();
  EXPECT_TRUE(at::equal(module.attr("weight").toTensor(), at::ones({4})));
  EXPECT_TRUE(at::equal(cache.at("k"), at::ones({2})));
}

}  // namespace
}  // namespace torchferry::libtorch
