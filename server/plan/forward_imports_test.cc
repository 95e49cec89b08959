#include "server/plan/forward_imports.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/base/status.h"

namespace torchferry::plan {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::StartsWith;

constexpr size_t kManyBytes = 10'000'000;

std::string Repeat(std::string_view text, size_t bytes) {
  std::string result;
  while (result.size() < bytes) result += text;
  return result;
}

ForwardImports ImportsOf(std::string_view source) {
  const auto imports = ReadImports(source, "f.py");
  EXPECT_TRUE(imports.ok()) << imports.status();
  return imports.ok() ? *imports : ForwardImports();
}

std::string ErrorOf(std::string_view source) {
  const auto imports = ReadImports(source, "f.py");
  EXPECT_EQ(imports.status().code(), absl::StatusCode::kInvalidArgument) << source.substr(0, 60);
  return base::MessageOf(imports.status());
}

TEST(ForwardImportsTest, NamesStandForModulesAndWhatIsInThem) {
  EXPECT_THAT(
      ImportsOf("import torch\nimport torch.nn.functional as F  # as people do\nimport math as m, torch.nn\n"
                "from torch import (nn, \n  Tensor,)\nfrom torch.nn import functional\nfrom math import pi as p\n")
          .names,
      ElementsAre(Pair("F", "torch.nn.functional"), Pair("functional", "torch.nn.functional"), Pair("m", "math"),
                  Pair("nn", "torch.nn"), Pair("p", "math.pi"), Pair("torch", "torch")));
  EXPECT_THAT(ImportsOf("from __future__ import annotations\nfrom typing import List as L, Dict\n").names, IsEmpty());
}

TEST(ForwardImportsTest, BodyKeepsItsLines) {
  EXPECT_EQ(ImportsOf("\"\"\"A\nmodel.\"\"\"\nimport torch  # why\nr'x' 'y'\ndef f(self):\n  \"\"\"Doc.\"\"\"\n").body,
            "\n\n  # why\n\ndef f(self):\n  \"\"\"Doc.\"\"\"\n\n");
  EXPECT_EQ(ImportsOf("from typing import (Dict,\n  List)\nx").body, "\n\nx\n");
}

TEST(ForwardImportsTest, WhatLooksLikeAnImportInsideAStringOrABlockIsNone) {
  const std::string source = "def f(self):\n    '''\nimport os\n'''\n    x = '''\nfrom os import *\n'''\n";
  EXPECT_EQ(ImportsOf(source).body, source + "\n");
  EXPECT_THAT(ImportsOf("\"\"\"Over lines:\nimport os\n\"\"\"\nimport math\n").names,
              ElementsAre(Pair("math", "math")));
}

TEST(ForwardImportsTest, OtherImportsAreRefusedWithTheirLine) {
  EXPECT_THAT(ErrorOf("import torch\n\nimport os\n"), AllOf(StartsWith("f.py:3:1: "), HasSubstr("\"import os\"")));
  for (const char* statement : {"import",
                                "import torch as",
                                "import torch.",
                                "import torch torch",
                                "import torch,",
                                "from",
                                "from torch",
                                "from torch import",
                                "from torch import *",
                                "from torch import (nn",
                                "from torch import nn)",
                                "from torch import nn as",
                                "from torch import Tensor as T",
                                "from torchvision import nms",
                                "import os.path",
                                "from . import x",
                                "from torch import nn nn",
                                "from torch import 1",
                                "import 'torch'",
                                "import torch $"}) {
    EXPECT_THAT(ErrorOf(statement), StartsWith("f.py:1:1: ")) << statement;
  }
}

TEST(ForwardImportsTest, LongSourcesTakeOnePassAndGiveShortMessages) {
  for (const std::string& statement :
       {"import " + Repeat("a", kManyBytes), "import " + Repeat("torch.", kManyBytes),
        "from torch import (" + Repeat("\n", kManyBytes), "from torch import (" + Repeat("nn,", kManyBytes) + ")",
        "from typing import (" + Repeat("a,", kManyBytes), "import torch #" + Repeat("x", kManyBytes) + "\nimport (",
        "import \"" + Repeat("a", kManyBytes) + "\"", "import " + Repeat("(\n", 1'000'000)}) {
    EXPECT_LT(ErrorOf(statement).size(), 1000u);
  }
  std::string names;
  for (int i = 0; i < 2'000; ++i) names += "from torch import a" + std::to_string(i) + "\n";
  EXPECT_THAT(ErrorOf(names), HasSubstr("more than 1000 names"));
}

TEST(ForwardImportsTest, LongLinesAreCopiedAsTheyAre) {
  for (const std::string& source :
       {"x = '" + Repeat("a", kManyBytes) + "'", Repeat("a", kManyBytes), "'" + Repeat("a", kManyBytes),
        "x = (" + Repeat("\n", 500'000), Repeat("x = 1\n", kManyBytes), Repeat("x = (\n", 500'000)}) {
    EXPECT_EQ(ImportsOf(source).body, source + "\n");
  }
  EXPECT_THAT(ImportsOf("\"" + Repeat("a", kManyBytes) + "\"\nx").body, "\nx\n");
  EXPECT_EQ(ImportsOf(Repeat("import torch\n", kManyBytes)).body.size(), kManyBytes / 13 + 2);
}

}  // namespace
}  // namespace torchferry::plan
