// A record on disk while a version loads. It tells the next server what was loading when this one ended.
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
  std::string files;        // identifies the version's files: DigestOfFiles
  std::string boot;         // the host's boot when it was written: a reboot explains the server's end
  int ends = 0;             // ends of servers while they loaded these files that no reboot explains
  bool is_loading = false;  // the server that wrote this is loading it

  bool operator==(const LoadMark&) const = default;
};

// Max size of a text that MarkText writes. A longer text is not a mark.
inline constexpr size_t kMaxMarkBytes = size_t{16} << 10;

std::string MarkText(const LoadMark& mark);
// nullopt for a text that MarkText did not write: of another release, cut short, or of another program.
std::optional<LoadMark> ParseMark(std::string_view text);

// A few bytes that change when the fingerprint of a version's files (store_scanner.h) does.
std::string DigestOfFiles(std::string_view fingerprint);

// The state of a mark that an earlier server left, now that this server is gone. `boot`: the host's boot now. Pure.
LoadMark AfterTheEnd(LoadMark left, std::string_view boot);

}  // namespace torchferry::registry
