#include "server/plan/model_operators.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "server/plan/operator_groups.h"

namespace torchferry::plan {
namespace {

TEST(ModelOperatorsTest, EachOperatorIsInOneGroup) {
  std::set<std::string> seen;
  for (const OperatorGroup& group : kOperatorGroups) {
    EXPECT_FALSE(group.reason.empty());
    const std::string names(group.names);
    for (size_t begin = 0; begin < names.size();) {
      const size_t end = std::min(names.find(' ', begin), names.size());
      ASSERT_GT(end, begin) << names.substr(begin);
      const std::string name = std::string(group.ns) + "::" + names.substr(begin, end - begin);
      EXPECT_TRUE(seen.insert(name).second) << name;
      EXPECT_EQ(WhyRefused(name).has_value(), !group.is_allowed) << name;
      EXPECT_TRUE(IsInAGroup(name));
      begin = end + 1;
    }
  }
}

TEST(ModelOperatorsTest, WhatReachesOutsideIsRefusedWithTheReason) {
  EXPECT_EQ(WhyRefused("aten::save"), "reads or writes files");
  for (const char* name : {"aten::from_file", "prim::rpc_async", "prim::PythonOp", "c10d::send", "aten::set_",
                           "inductor::_reinterpret_tensor", "aten::_reshape_alias", "aten::fbgemm_linear_fp16_weight",
                           "aten::_sparse_coo_tensor_unsafe", "mkldnn::data_ptr", "prim::id", "aten::_cummax_helper",
                           "aten::segment_reduce", "profiler::_call_end_callbacks_on_jit_fut"}) {
    EXPECT_TRUE(WhyRefused(name).has_value()) << name;
  }
}

TEST(ModelOperatorsTest, WhatNobodyHasLookedAtIsRefused) {
  for (const char* name : {"aten::of_a_later_version", "torchvision::nms", "mine::op", "aten::", "aten", ""}) {
    EXPECT_TRUE(WhyRefused(name).has_value()) << name;
    EXPECT_FALSE(IsInAGroup(name)) << name;
  }
}

TEST(ModelOperatorsTest, WhatModelsUseIsAllowed) {
  for (const char* name : {"aten::conv2d",
                           "aten::_convolution",
                           "aten::linear",
                           "aten::relu_",
                           "aten::scaled_dot_product_attention",
                           "aten::lstm",
                           "aten::_pack_padded_sequence",
                           "aten::embedding_bag",
                           "aten::as_strided",
                           "aten::_weight_norm",
                           "aten::append",
                           "prim::GetAttr",
                           "prim::Constant",
                           "prim::fork",
                           "quantized::linear",
                           "aten::grad",
                           "aten::quantize_per_tensor",
                           "aten::stft",
                           "aten::_unique2",
                           "prim::Print",
                           "aten::warn"}) {
    EXPECT_FALSE(WhyRefused(name).has_value()) << name;
  }
}

TEST(ModelOperatorsTest, LibTorchsClassesAreNamedOneByOne) {
  EXPECT_FALSE(WhyClassRefused("__torch__.Net").has_value());
  EXPECT_FALSE(WhyClassRefused("__torch__.torch.classes.quantized.LinearPackedParamsBase").has_value());
  EXPECT_FALSE(WhyClassRefused("__torch__.torch.nn.modules.linear.Linear").has_value());
  for (const char* name : {"__torch__.torch.classes._nnapi.Compilation", "__torch__.torch.classes.c10d.Store",
                           "__torch__.torch.classes.dist_rpc.WorkerInfo", "__torch__.torch.classes.cuda.Stream"}) {
    EXPECT_TRUE(WhyClassRefused(name).has_value()) << name;
  }
}

}  // namespace
}  // namespace torchferry::plan
