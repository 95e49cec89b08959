// Any bytes as an archive: what opens keeps the limits, and each entry is read or refused.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "server/checkpoint/format.h"
#include "server/checkpoint/zip.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr uint64_t kMaxReadBytes = 1 << 20;
  const std::shared_ptr<const torchferry::checkpoint::File> file =
      torchferry::checkpoint::File::FromBytes(std::string(reinterpret_cast<const char*>(data), size), "fuzz");
  (void)torchferry::checkpoint::Recognise(*file);
  const auto archive = torchferry::checkpoint::ZipArchive::Open(file);
  if (!archive.ok()) return 0;
  for (const torchferry::checkpoint::ZipEntry& entry : (*archive)->entries()) {
    if (entry.file_offset + entry.stored_bytes > size) std::abort();
    if ((*archive)->Find(entry.name) != &entry) std::abort();
    (void)(*archive)->ReadString(entry, kMaxReadBytes);
  }
  return 0;
}
