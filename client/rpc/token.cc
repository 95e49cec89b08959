#include "client/rpc/token.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "server/base/status.h"

namespace torchferry::client {
namespace {

// The server takes no more.
constexpr size_t kMaxTokenBytes = 4000;
constexpr char kBlanks[] = " \t\r\n";

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), &std::fclose);
  std::string text(kMaxTokenBytes + 100, '\0');
  if (file != nullptr) text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (file == nullptr || std::ferror(file.get()) != 0) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "--token-file {}: it cannot be read", path);
  }
  text.erase(text.find_last_not_of(kBlanks) + 1);
  text.erase(0, text.find_first_not_of(kBlanks));
  return text;
}

}  // namespace

absl::StatusOr<std::string> ReadToken(const std::string& token, const std::string& file) {
  if (token.empty() && file.empty()) return "";
  std::string text = token;
  if (text.empty()) {
    FERRY_ASSIGN_OR_RETURN(text, ReadFile(file));
  }
  const bool is_visible = std::ranges::all_of(text, [](char c) { return c >= '!' && c <= '~'; });
  if (text.empty() || text.size() > kMaxTokenBytes || !is_visible) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "{} holds no token; expected 1 to {} characters of ASCII without spaces",
                            token.empty() ? "--token-file " + file : "--token", kMaxTokenBytes);
  }
  return text;
}

bool IsThisHost(const std::string& address) {
  if (address.starts_with("unix:")) return true;
  const std::string host = address.substr(0, address.rfind(':'));
  in_addr v4{};  // a name may begin with 127
  const bool is_v4 = inet_pton(AF_INET, host.c_str(), &v4) == 1;
  return host == "localhost" || host == "[::1]" || (is_v4 && (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET);
}

absl::Status CheckTokenWay(const std::string& address, bool is_encrypted, bool is_allowed) {
  if (is_encrypted || is_allowed || IsThisHost(address)) return absl::OkStatus();
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "the token would travel to {} unencrypted, for everybody between to read: connect over TLS, "
                          "or say --insecure-token where something else encrypts the connection",
                          address);
}

}  // namespace torchferry::client
