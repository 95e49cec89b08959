// torchferry-server as it is called: holds back the signals that stop a server, and becomes the server.
//
// The server's libraries take 30 ms of a processor to be mapped and relocated, and a signal that comes then would end
// the process. This program is linked statically: stop_signals.cc has the signals blocked a fraction of a millisecond
// after exec. A second exec keeps them blocked, and keeps one that has come.
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

namespace {

// Below the folder that bin/ lies in.
constexpr char kServer[] = "/libexec/torchferry/torchferry-server-process";

// The server's path, from where this program lies. False when that is not known or too long.
bool FindServer(char (&path)[PATH_MAX]) {
  const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 1);
  if (size <= 0) return false;
  path[size] = '\0';
  for (int i = 0; i < 2; ++i) {
    char* slash = std::strrchr(path, '/');
    if (slash == nullptr) return false;
    *slash = '\0';
  }
  const size_t length = std::strlen(path);
  if (length + sizeof(kServer) > sizeof(path)) return false;
  std::memcpy(path + length, kServer, sizeof(kServer));
  return true;
}

}  // namespace

int main(int, char** argv) {
  char path[PATH_MAX];
  if (!FindServer(path)) {
    std::fprintf(stderr, "torchferry-server: /proc/self/exe does not say where this program lies; mount /proc\n");
    return 1;
  }
  execv(path, argv);
  std::fprintf(stderr, "torchferry-server: cannot run %s: %s; it is installed beside bin/\n", path,
               std::strerror(errno));
  return 1;
}
