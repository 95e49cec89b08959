#include "server/tls/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "server/base/status.h"

namespace torchferry::tls {
namespace {

class Descriptor {
 public:
  // A pipe is opened without waiting for whoever writes to it.
  explicit Descriptor(const std::string& path) : number_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int number() const { return number_; }

 private:
  const int number_;
};

absl::Status Unreadable(const std::string& name, const char* why) {
  return base::MakeStatus(absl::StatusCode::kFailedPrecondition, "{}: cannot be read: {}", name, why);
}

}  // namespace

absl::StatusOr<NamedText> ReadFile(const char* flag, const std::string& path) {
  NamedText file = {.name = fmt::format("{} {}", flag, path), .text = ""};
  const Descriptor descriptor(path);
  if (descriptor.number() < 0) return Unreadable(file.name, std::strerror(errno));
  struct stat about {};
  if (fstat(descriptor.number(), &about) != 0) return Unreadable(file.name, std::strerror(errno));
  if (!S_ISREG(about.st_mode)) return Unreadable(file.name, "it is no file");
  char buffer[16384];
  while (true) {
    const ssize_t got = read(descriptor.number(), buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unreadable(file.name, std::strerror(errno));
    if (got == 0) return file;
    file.text.append(buffer, static_cast<size_t>(got));
    if (file.text.size() > kMaxFileBytes) return Unreadable(file.name, "it has more than 1 MiB; expected PEM text");
  }
}

absl::StatusOr<Texts> ReadFiles(const Files& files) {
  Texts texts;
  FERRY_ASSIGN_OR_RETURN(texts.certificate, ReadFile("--tls-cert", files.certificate));
  FERRY_ASSIGN_OR_RETURN(texts.key, ReadFile("--tls-key", files.key));
  if (!files.client_ca.empty()) {
    FERRY_ASSIGN_OR_RETURN(texts.client_ca, ReadFile("--tls-client-ca", files.client_ca));
  }
  return texts;
}

std::string WhyKeyIsOpen(const Files& files) {
  struct stat about {};
  if (stat(files.key.c_str(), &about) != 0 || (about.st_mode & S_IROTH) == 0) return "";
  return fmt::format("--tls-key {}: every user of this host may read the key (mode {:o}); expected 0600 or 0640",
                     files.key, about.st_mode & 0777U);
}

}  // namespace torchferry::tls
