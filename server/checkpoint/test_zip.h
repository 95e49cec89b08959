// Zips written by hand, for tests and fuzz targets. Every field can be wrong on purpose.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>

namespace torchferry::checkpoint::testing {

// Little-endian.
inline std::string Bytes(uint64_t value, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += static_cast<char>(i < 8 ? value >> (8 * i) & 0xFF : 0);
  return out;
}

// A zip, entry by entry. Sizes are 32-bit.
class ZipBuilder {
 public:
  struct Entry {
    std::string name;
    std::string data;            // as it is in the file
    uint64_t size = UINT64_MAX;  // uncompressed; data.size() unless set
    uint32_t method = 0;
    uint32_t crc = 0;
    uint32_t flags = 0;
    uint64_t offset = UINT64_MAX;  // of another entry's local header; where it is written unless set
  };

  ZipBuilder& Add(std::string name, std::string data) {
    Entry entry;
    entry.crc = static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
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
    directory_ += "PK\x01\x02" + Bytes(20, 2) + Common(entry) + Bytes(0, 2) + Bytes(0, 2) + Bytes(0, 2) + Bytes(0, 2) +
                  Bytes(0, 4) + Bytes(entry.offset, 4) + entry.name;
    ++count_;
    return *this;
  }

  std::string Build() const {
    return body_ + directory_ + "PK\x05\x06" + Bytes(0, 4) + Bytes(count_, 2) + Bytes(count_, 2) +
           Bytes(directory_.size(), 4) + Bytes(body_.size(), 4) + Bytes(0, 2);
  }

 private:
  // The bytes from "version needed" to the name's length, which both headers have.
  static std::string Common(const Entry& entry) {
    return Bytes(20, 2) + Bytes(entry.flags, 2) + Bytes(entry.method, 2) + Bytes(0, 4) + Bytes(entry.crc, 4) +
           Bytes(entry.data.size(), 4) + Bytes(entry.size, 4) + Bytes(entry.name.size(), 2);
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

}  // namespace torchferry::checkpoint::testing
