#include "server/checkpoint/safetensors_header.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

using nlohmann::json;

// What the parser's events mean depends on where they happen; anything that has no place there ends
// the parse with `error`.
class HeaderReader final : public nlohmann::json_sax<json> {
 public:
  const absl::Status& error() const { return error_; }
  SafetensorsHeader Take() { return std::move(header_); }

  bool start_object(size_t) override {
    if (place_ == Place::kStart) return Go(Place::kHeader);
    if (place_ != Place::kValue) return Misplaced("an object");
    if (key_ == "__metadata__") return Go(Place::kMetadata);
    header_.entries.push_back({key_, "", {}, 0, 0});
    fields_ = 0;
    return Go(Place::kTensor);
  }

  bool key(std::string& text) override {
    if (!IsCleanUtf8(text)) return Fail("a key that is not clean UTF-8: {}", Quoted(text));
    switch (place_) {
      case Place::kHeader:
        if (!names_.insert(text).second) return Fail("key {} is there twice", Quoted(text));
        key_ = text;
        return Go(Place::kValue);
      case Place::kMetadata:
        header_.metadata.emplace_back(text, "");
        return Go(Place::kMetadataValue);
      default:
        return StartField(text);
    }
  }

  bool end_object() override {
    switch (place_) {
      case Place::kHeader:
        return Go(Place::kEnd);
      case Place::kTensor:
        if (fields_ != kAllFields) {
          return Fail("tensor {} lacks one of dtype, shape and data_offsets", Quoted(key_));
        }
        if (header_.entries.size() > limits::kMaxSafetensorsTensors) {
          return Fail("more than {} tensors", limits::kMaxSafetensorsTensors);
        }
        return Go(Place::kHeader);
      default:
        return Go(Place::kHeader);  // of the metadata
    }
  }

  bool string(std::string& text) override {
    if (place_ == Place::kMetadataValue) {
      header_.metadata.back().second = text;
      return Go(Place::kMetadata);
    }
    if (place_ != Place::kDType) return Misplaced("a string");
    header_.entries.back().dtype = text;
    return Go(Place::kTensor);
  }

  bool start_array(size_t) override {
    if (place_ == Place::kShape) return Go(Place::kShapeItems);
    if (place_ == Place::kOffsets) return Go(Place::kOffsetItems);
    return Misplaced("a list");
  }

  bool end_array() override {
    if (place_ == Place::kOffsetItems && offsets_ != 2) {
      return Fail("tensor {} has {} data_offsets; expected 2", Quoted(key_), offsets_);
    }
    return Go(Place::kTensor);
  }

  bool number_unsigned(uint64_t value) override {
    if (place_ != Place::kShapeItems && place_ != Place::kOffsetItems) return Misplaced("a number");
    SafetensorsEntry& entry = header_.entries.back();
    if (place_ == Place::kShapeItems) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Fail("tensor {} has a dimension of {}", Quoted(key_), value);
      }
      if (entry.shape.size() == limits::kMaxRank) {
        return Fail("tensor {} has more than {} dimensions", Quoted(key_), limits::kMaxRank);
      }
      entry.shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (offsets_ == 2) return Fail("tensor {} has more than 2 data_offsets", Quoted(key_));
    (offsets_++ == 0 ? entry.begin : entry.end) = value;
    return true;
  }

  bool number_integer(int64_t value) override {
    return Fail("tensor {} has a negative number, {}", Quoted(key_), value);
  }
  bool number_float(double, const std::string& text) override {
    return Fail("{} where an integer is expected", Quoted(text));
  }
  bool null() override { return Misplaced("null"); }
  bool boolean(bool) override { return Misplaced("a boolean"); }
  bool binary(json::binary_t&) override { return Misplaced("bytes"); }

  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    return Fail("no JSON from byte {} on", position);
  }

 private:
  enum class Place {
    kStart,
    kHeader,  // between entries
    kValue,   // behind an entry's key
    kMetadata,
    kMetadataValue,
    kTensor,  // between a tensor's fields
    kDType,
    kShape,
    kShapeItems,
    kOffsets,
    kOffsetItems,
    kEnd,
  };
  static constexpr unsigned kAllFields = 7;

  bool Go(Place place) {
    place_ = place;
    return true;
  }

  bool StartField(const std::string& name) {
    unsigned field = 0;
    if (name == "dtype") {
      field = 1;
      place_ = Place::kDType;
    } else if (name == "shape") {
      field = 2;
      place_ = Place::kShape;
    } else if (name == "data_offsets") {
      field = 4;
      offsets_ = 0;
      place_ = Place::kOffsets;
    } else {
      return Fail("tensor {} has a field {}; expected dtype, shape and data_offsets", Quoted(key_), Quoted(name));
    }
    if ((fields_ & field) != 0) return Fail("tensor {} has {} twice", Quoted(key_), Quoted(name));
    fields_ |= field;
    return true;
  }

  bool Misplaced(std::string_view what) {
    if (place_ == Place::kStart) return Fail("{} instead of an object", what);
    return Fail("{} that has no place there, under {}", what, Quoted(key_));
  }

  template <typename... Args>
  bool Fail(fmt::format_string<Args...> format, Args&&... args) {
    error_ = absl::DataLossError("the header holds " + fmt::format(format, std::forward<Args>(args)...));
    return false;
  }

  Place place_ = Place::kStart;
  std::string key_;      // of the entry
  unsigned fields_ = 0;  // of the tensor, those seen
  int offsets_ = 0;      // of the tensor, those seen
  std::unordered_set<std::string> names_;
  SafetensorsHeader header_;
  absl::Status error_;
};

}  // namespace

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view text) {
  HeaderReader reader;
  // Spaces may follow, to align the data: the parser takes them.
  if (!json::sax_parse(text.begin(), text.end(), &reader)) return reader.error();
  return reader.Take();
}

}  // namespace torchferry::checkpoint
