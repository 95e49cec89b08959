#include "server/rpc/transport/inflate.h"

#include <algorithm>

namespace torchferry::rpc {
namespace {

constexpr int kLargestWindow = 15;
constexpr int kEitherFormat = 32;  // added: zlib looks at the first bytes

}  // namespace

InflatingStream::InflatingStream(google::protobuf::io::ZeroCopyInputStream& compressed) : compressed_(compressed) {
  can_go_on_ = inflateInit2(&zlib_, kLargestWindow + kEitherFormat) == Z_OK;
}

InflatingStream::~InflatingStream() { inflateEnd(&zlib_); }

bool InflatingStream::Next(const void** data, int* size) {
  if (backed_up_ == 0 && !Inflate()) return false;
  const int now = backed_up_ != 0 ? backed_up_ : piece_size_;
  *data = piece_.data() + piece_size_ - now;
  *size = now;
  backed_up_ = 0;
  return true;
}

bool InflatingStream::Inflate() {
  zlib_.next_out = piece_.data();
  zlib_.avail_out = static_cast<uInt>(piece_.size());
  while (can_go_on_ && zlib_.avail_out > 0) {
    if (zlib_.avail_in == 0) {
      const void* in = nullptr;
      int size = 0;
      if (!compressed_.Next(&in, &size)) {
        can_go_on_ = false;  // it is cut short
        break;
      }
      zlib_.next_in = static_cast<Bytef*>(const_cast<void*>(in));  // NOLINT(cppcoreguidelines-pro-type-const-cast)
      zlib_.avail_in = static_cast<uInt>(size);
    }
    const int result = inflate(&zlib_, Z_NO_FLUSH);
    can_go_on_ = result == Z_OK;
    if (result == Z_STREAM_END) {
      is_whole_ = zlib_.avail_in == 0 && !HasMore();
    }
  }
  piece_size_ = static_cast<int>(piece_.size() - zlib_.avail_out);
  count_ += piece_size_;
  return piece_size_ > 0;
}

bool InflatingStream::HasMore() {
  const void* more = nullptr;
  int size = 0;
  while (compressed_.Next(&more, &size)) {
    if (size > 0) return true;
  }
  return false;
}

bool InflatingStream::Skip(int count) {
  const void* data = nullptr;
  int size = 0;
  while (count > 0 && Next(&data, &size)) {
    const int skipped = std::min(count, size);
    count -= skipped;
    if (skipped < size) BackUp(size - skipped);
  }
  return count == 0;
}

}  // namespace torchferry::rpc
