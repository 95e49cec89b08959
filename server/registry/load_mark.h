// What is kept on disk while a version loads, so that the next server knows what was loading when this one ended.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace torchferry::registry {

struct LoadMark {
  std::string model;
  int64_t version = 0;
  std::string files;        // which files it is of: DigestOfFiles
  std::string boot;         // of the host, when it was written: its end explains the server's
  int ends = 0;             // of servers, while they loaded these files, that nothing explains
  bool is_loading = false;  // it is being loaded by the server that wrote this

  bool operator==(const LoadMark&) const = default;
};

// Of a text that MarkText writes. Longer ones are nobody's mark.
inline constexpr size_t kMaxMarkBytes = size_t{16} << 10;

std::string MarkText(const LoadMark& mark);
// Nothing for a text that MarkText did not write: of another release, cut short, or somebody else's.
std::optional<LoadMark> ParseMark(std::string_view text);

// A few bytes that change when the fingerprint of a version's files (store_scanner.h) does.
std::string DigestOfFiles(std::string_view fingerprint);

// What a mark that an earlier server left says now, that server being gone. `boot`: of the host as it runs. Pure.
LoadMark AfterTheEnd(LoadMark left, std::string_view boot);

}  // namespace torchferry::registry
