#include "server/identity/identity_file.h"

#include <absl/status/status.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <span>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/sha256.h"
#include "server/identity/limits.h"

namespace torchferry::identity {
namespace {

using checkpoint::Quoted;

constexpr size_t kMaxShown = 80;  // bytes of a word that is refused
constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kNoBytes = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

struct Word {
  std::string_view text;
  size_t column = 1;
};

std::string Shown(std::string_view text) { return Quoted(text.substr(0, kMaxShown)); }

std::vector<Word> WordsOf(std::string_view line) {
  std::vector<Word> words;
  for (size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    words.push_back({line.substr(at, end - at), at + 1});
    at = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

bool IsNameByte(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-._@/:+").find(c) != std::string::npos;
}

bool IsPrintable(std::string_view text) {
  return std::ranges::all_of(text, [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

std::optional<Role> RoleOf(std::string_view word) {
  if (word == "predict") return Role::kPredict;
  if (word == "read") return Role::kRead;
  if (word == "admin") return Role::kAdmin;
  return std::nullopt;
}

// Reads line after line.
class Reader {
 public:
  explicit Reader(std::string_view name) : name_(name) {}

  absl::Status Take(std::string_view line) {
    ++line_;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const std::vector<Word> words = WordsOf(line);
    if (words.empty() || words.front().text.starts_with('#')) return absl::OkStatus();
    const Word& first = words.front();
    const std::span<const Word> said = std::span(words).subspan(1);
    if (first.text == "identity") return TakeIdentity(first, said);
    if (first.text != "roles" && first.text != "models" && first.text != "token" && first.text != "certificate") {
      return Error(first, "{} begins no line; expected identity, roles, models, token or certificate",
                   Shown(first.text));
    }
    if (entries_.empty())
      return Error(first, "{} stands before the first identity; begin with: identity NAME", first.text);
    if (said.empty()) return Error(first, "{} says nothing; expected {}", first.text, Expected(first.text));
    if (first.text == "roles") return TakeRoles(said);
    if (first.text == "models") return TakeModels(said);
    return first.text == "token" ? TakeToken(said) : TakeCertificate(said);
  }

  absl::StatusOr<std::vector<IdentityEntry>> Finish() && {
    FERRY_RETURN_IF_ERROR(CheckLast());
    return std::move(entries_);
  }

 private:
  static std::string_view Expected(std::string_view word) {
    if (word == "roles") return "one or more of predict, read and admin";
    if (word == "models") return "names or globs of models; * is all of them";
    if (word == "token") return "sha256:DIGEST, and perhaps: expires TIME";
    return "dns:NAME, uri:NAME or cn:NAME";
  }

  template <typename... Args>
  absl::Status ErrorAt(size_t line, size_t column, fmt::format_string<Args...> format, Args&&... args) const {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}:{}:{}: {}", name_, line, column,
                            fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  absl::Status Error(const Word& at, fmt::format_string<Args...> format, Args&&... args) const {
    return ErrorAt(line_, at.column, format, std::forward<Args>(args)...);
  }

  // The identity that has just ended.
  absl::Status CheckLast() const {
    if (entries_.empty()) return absl::OkStatus();
    const IdentityEntry& last = entries_.back();
    const auto lacks = [&](std::string_view word) {
      return ErrorAt(began_.first, began_.second, "identity {} has no {}; expected a line: {} …, with {}",
                     last.identity.name, word, word, Expected(word));
    };
    if (last.identity.roles.empty()) return lacks("roles");
    if (last.identity.models.empty()) return lacks("models");
    if (last.tokens.empty() && last.certificates.empty()) return lacks("token");
    return absl::OkStatus();
  }

  absl::Status TakeIdentity(const Word& first, std::span<const Word> said) {
    FERRY_RETURN_IF_ERROR(CheckLast());
    if (said.size() != 1) return Error(first, "identity is followed by {} words; expected its name", said.size());
    const Word& name = said.front();
    if (name.text.size() > limits::kMaxNameBytes || !std::ranges::all_of(name.text, IsNameByte)) {
      return Error(name, "the name {} is not one; expected up to {} letters, digits and -._@/:+", Shown(name.text),
                   limits::kMaxNameBytes);
    }
    if (!names_.insert(std::string(name.text)).second) {
      return Error(name, "identity {} is there twice; give one identity several tokens instead", name.text);
    }
    if (entries_.size() == limits::kMaxIdentities) {
      return Error(first, "there are more identities than {}, which is the most", limits::kMaxIdentities);
    }
    began_ = {line_, first.column};
    entries_.emplace_back().identity.name = name.text;
    return absl::OkStatus();
  }

  absl::Status TakeRoles(std::span<const Word> said) {
    for (const Word& word : said) {
      const std::optional<Role> role = RoleOf(word.text);
      if (!role) return Error(word, "{} is no role; expected {}", Shown(word.text), Expected("roles"));
      entries_.back().identity.roles.Add(*role);
    }
    return absl::OkStatus();
  }

  absl::Status TakeModels(std::span<const Word> said) {
    std::vector<std::string>& models = entries_.back().identity.models;
    for (const Word& word : said) {
      if (word.text.size() > limits::kMaxGlobBytes) {
        return Error(word, "the name has {} bytes; expected at most {}", word.text.size(), limits::kMaxGlobBytes);
      }
      if (models.size() == limits::kMaxModels) {
        return Error(word, "the identity has more names of models than {}, which is the most", limits::kMaxModels);
      }
      models.emplace_back(word.text);
    }
    return absl::OkStatus();
  }

  absl::Status TakeToken(std::span<const Word> said) {
    const Word& word = said.front();
    constexpr std::string_view kPrefix = "sha256:";
    const auto digest =
        word.text.starts_with(kPrefix) ? checkpoint::FromHex(word.text.substr(kPrefix.size())) : std::nullopt;
    if (!digest) {  // it may be a token: it is not shown
      return Error(word,
                   "this is no digest of a token; expected sha256: and the 64 hexadecimal digits that "
                   "sha256sum gives for it, never the token itself");
    }
    if (checkpoint::ToHex(*digest) == kNoBytes) {
      return Error(word, "this is the digest of no bytes at all: the token was empty when it was hashed");
    }
    Token token = {*digest, std::nullopt};
    if (said.size() > 1) FERRY_RETURN_IF_ERROR(ReadExpiry(said.subspan(1), token));
    if (!digests_.insert(*digest).second) return Error(word, "this token is there twice; expected each once");
    if (digests_.size() > limits::kMaxTokens) {
      return Error(word, "there are more tokens than {}, which is the most", limits::kMaxTokens);
    }
    entries_.back().tokens.push_back(token);
    return absl::OkStatus();
  }

  absl::Status ReadExpiry(std::span<const Word> said, Token& token) {
    if (said.front().text != "expires" || said.size() != 2) {
      return Error(said.front(), "{} follows the digest; expected nothing, or: expires TIME", Shown(said.front().text));
    }
    token.expires = ParseWallTime(said.back().text);
    if (token.expires) return absl::OkStatus();
    return Error(said.back(), "{} is no time; expected one of UTC, as 2027-01-31 or 2027-01-31T12:00:00Z",
                 Shown(said.back().text));
  }

  absl::Status TakeCertificate(std::span<const Word> said) {
    for (const Word& word : said) {
      const size_t colon = std::min(word.text.find(':'), word.text.size());
      const std::string_view kind = word.text.substr(0, colon);
      const bool is_known = kind == "dns" || kind == "uri" || kind == "cn";
      if (!is_known || colon + 1 >= word.text.size() || !IsPrintable(word.text) ||
          word.text.size() > limits::kMaxCertificateNameBytes) {
        return Error(word, "{} is no name of a certificate; expected {}", Shown(word.text), Expected("certificate"));
      }
      if (word.text.find('*') != std::string_view::npos && kind == "dns") {
        return Error(word, "{} has a *; expected the whole name, as the certificate has it", Shown(word.text));
      }
      CertificateName name = MakeCertificateName(kind, word.text.substr(colon + 1));
      if (!certificates_.insert(name).second) {
        return Error(word, "{} is there twice; expected each certificate's name once", Shown(word.text));
      }
      if (certificates_.size() > limits::kMaxCertificateNames) {
        return Error(word, "there are more names of certificates than {}, which is the most",
                     limits::kMaxCertificateNames);
      }
      entries_.back().certificates.push_back(std::move(name));
    }
    return absl::OkStatus();
  }

  const std::string_view name_;
  size_t line_ = 0;
  std::pair<size_t, size_t> began_;  // the last identity: its line and column
  std::vector<IdentityEntry> entries_;
  std::set<std::string> names_;
  std::set<TokenDigest> digests_;
  std::set<CertificateName> certificates_;
};

}  // namespace

CertificateName MakeCertificateName(std::string_view kind, std::string_view value) {
  CertificateName name = fmt::format("{}:{}", kind, value);
  if (kind == "dns") {
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  }
  return name;
}

absl::StatusOr<std::vector<IdentityEntry>> ParseIdentities(std::string_view text, std::string_view name) {
  if (text.size() > limits::kMaxFileBytes) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: the file has {} bytes; expected at most {}", name,
                            text.size(), limits::kMaxFileBytes);
  }
  Reader reader(name);
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    FERRY_RETURN_IF_ERROR(reader.Take(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return std::move(reader).Finish();
}

}  // namespace torchferry::identity
