// What this folder's tests share: fixtures, and zips and pickles written by hand where PyTorch would not.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/file.h"

namespace torchferry::testing {

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

inline std::shared_ptr<const File> Fixture(const std::string& name) {
  return AsFile(FixtureBytes(name), name);
}

// Little-endian.
inline std::string Bytes(uint64_t value, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
  return out;
}

// A zip, entry by entry, with every field open to abuse.
class ZipBuilder {
 public:
  struct Entry {
    std::string name;
    std::string data;             // as it stands in the file
    uint64_t size = UINT64_MAX;   // uncompressed; data.size() unless set
    uint32_t method = 0;
    uint32_t crc = 0;
    uint32_t flags = 0;
    uint64_t offset = UINT64_MAX;  // of another entry's local header; where it is written unless set
  };

  ZipBuilder& Add(std::string name, std::string data) {
    Entry entry;
    entry.crc = static_cast<uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
    entry.name = std::move(name);
    entry.data = std::move(data);
    return Add(std::move(entry));
  }

  ZipBuilder& Add(Entry entry) {
    if (entry.size == UINT64_MAX) entry.size = entry.data.size();
    if (entry.offset == UINT64_MAX) {
      entry.offset = body_.size();
      body_ += "PK\x03\x04" + Common(entry) + Bytes(0, 2) + entry.name + entry.data;
    }
    directory_ += "PK\x01\x02" + Bytes(20, 2) + Common(entry) + Bytes(0, 2) + Bytes(0, 2) +
                  Bytes(0, 2) + Bytes(0, 2) + Bytes(0, 4) + Bytes(entry.offset, 4) + entry.name;
    ++count_;
    return *this;
  }

  std::string Build() const {
    return body_ + directory_ + "PK\x05\x06" + Bytes(0, 4) + Bytes(count_, 2) + Bytes(count_, 2) +
           Bytes(directory_.size(), 4) + Bytes(body_.size(), 4) + Bytes(0, 2);
  }

 private:
  // From "version needed" to the name's length, as both headers have it.
  static std::string Common(const Entry& entry) {
    return Bytes(20, 2) + Bytes(entry.flags, 2) + Bytes(entry.method, 2) + Bytes(0, 4) +
           Bytes(entry.crc, 4) + Bytes(entry.data.size(), 4) + Bytes(entry.size, 4) +
           Bytes(entry.name.size(), 2);
  }

  std::string body_;
  std::string directory_;
  uint64_t count_ = 0;
};

inline std::string Deflated(const std::string& data) {
  std::string out(compressBound(data.size()) + 64, '\0');
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// --- pickles ---

inline std::string Str(std::string_view text) {
  return "X" + Bytes(text.size(), 4) + std::string(text);
}
inline std::string Int(int64_t value) {
  return "\x8a\x08" + Bytes(static_cast<uint64_t>(value), 8);
}
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
  const std::string storage =
      Tuple({Str("storage"), spec.type, Str(spec.key), spec.device, Int(spec.numel)}) + "Q";
  return Global("torch._utils", "_rebuild_tensor_v2") +
         Tuple({storage, Int(spec.offset), spec.shape, spec.strides, "\x89",
                Global("collections", "OrderedDict") + ")R"}) +
         "R";
}
inline std::string Dict(const std::string& key, const std::string& value) {
  return "}" + Str(key) + value + "s";
}

// A checkpoint with that data.pkl and one storage "0" of 16 bytes.
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
  return arg.code() == code && ::testing::ExplainMatchResult(message, std::string(arg.message()),
                                                            result_listener);
}

}  // namespace torchferry::testing
