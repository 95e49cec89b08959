// Helpers of this folder's tests: fixtures, and zips and pickles written by hand that PyTorch would not write.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/file.h"
#include "server/checkpoint/test_zip.h"

namespace torchferry::checkpoint::testing {

inline std::string FixturePath(const std::string& name) {
  const char* source = std::getenv("TORCHFERRY_SOURCE_DIR");
  return std::string(source == nullptr ? "." : source) + "/server/checkpoint/testdata/" + name;
}

inline std::string FixtureBytes(const std::string& name) {
  std::ifstream in(FixturePath(name), std::ios::binary);
  EXPECT_TRUE(in.good()) << name;
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

inline std::shared_ptr<const File> AsFile(std::string bytes, std::string name = "m/1/model.pt") {
  return File::FromBytes(std::move(bytes), std::move(name));
}

inline std::shared_ptr<const File> Fixture(const std::string& name) { return AsFile(FixtureBytes(name), name); }

// --- pickles ---

inline std::string Str(std::string_view text) { return "X" + Bytes(text.size(), 4) + std::string(text); }
inline std::string Int(int64_t value) { return "\x8a\x08" + Bytes(static_cast<uint64_t>(value), 8); }
inline std::string Global(std::string_view module, std::string_view name) {
  return "c" + std::string(module) + "\n" + std::string(name) + "\n";
}
inline std::string Tuple(std::initializer_list<std::string> items) {
  std::string out = "(";
  for (const std::string& item : items) out += item;
  return out + "t";
}
inline std::string Pickle(const std::string& body) { return "\x80\x02" + body + "."; }

// One float tensor over storage "0" (`numel` floats), as torch.save writes it.
struct TensorSpec {
  std::string key = "0";
  int64_t numel = 4;
  int64_t offset = 0;
  std::string shape = Tuple({Int(2), Int(2)});
  std::string strides = Tuple({Int(2), Int(1)});
  std::string type = Global("torch", "FloatStorage");
  std::string device = Str("cpu");
};
inline std::string Tensor(const TensorSpec& spec = {}) {
  const std::string storage = Tuple({Str("storage"), spec.type, Str(spec.key), spec.device, Int(spec.numel)}) + "Q";
  return Global("torch._utils", "_rebuild_tensor_v2") +
         Tuple({storage, Int(spec.offset), spec.shape, spec.strides, "\x89",
                Global("collections", "OrderedDict") + ")R"}) +
         "R";
}
inline std::string Dict(const std::string& key, const std::string& value) { return "}" + Str(key) + value + "s"; }

// A checkpoint with the data.pkl `pickle` and one storage "0" of 16 bytes.
inline std::string CheckpointBytes(const std::string& pickle) {
  return ZipBuilder()
      .Add("archive/data.pkl", pickle)
      .Add("archive/byteorder", "little")
      .Add("archive/data/0", std::string(16, '\x01'))
      .Add("archive/version", "3\n")
      .Build();
}

// EXPECT_THAT(status, Fails(absl::StatusCode::kDataLoss, HasSubstr("…")))
MATCHER_P2(Fails, code, message, "") {
  *result_listener << arg.ToString();
  return arg.code() == code && ::testing::ExplainMatchResult(message, std::string(arg.message()), result_listener);
}

}  // namespace torchferry::checkpoint::testing
