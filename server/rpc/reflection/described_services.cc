#include "server/rpc/reflection/described_services.h"

#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <utility>

#include "server/base/status.h"
#include "server/base/utf8.h"
#include "server/tensor/request_limits.h"

namespace torchferry::rpc {
namespace {

namespace pb = google::protobuf;

// `file`, and then what it imports, each once.
void AddWithImports(const pb::FileDescriptor* file, std::vector<const pb::FileDescriptor*>& files) {
  files.push_back(file);
  for (size_t i = files.size() - 1; i < files.size(); ++i) {
    for (int k = 0; k < files[i]->dependency_count(); ++k) {
      const pb::FileDescriptor* import = files[i]->dependency(k);
      if (std::find(files.begin(), files.end(), import) == files.end()) files.push_back(import);
    }
  }
}

absl::Status Unknown(std::string_view what, std::string_view name) {
  return base::MakeStatus(absl::StatusCode::kNotFound, "no service here has the {} \"{}\"; list_services names them",
                          what, base::Excerpt(name, limits::kMaxShownBytes));
}

}  // namespace

DescribedServices::DescribedServices(std::vector<std::string> names)
    : names_(std::move(names)), pool_(*pb::DescriptorPool::generated_pool()) {
  std::vector<const pb::FileDescriptor*> files;
  for (const std::string& name : names_) {
    if (const pb::ServiceDescriptor* service = pool_.FindServiceByName(name)) AddWithImports(service->file(), files);
  }
  files_.insert(files.begin(), files.end());
}

absl::StatusOr<std::vector<std::string>> DescribedServices::WithImports(const pb::FileDescriptor* file,
                                                                        std::string_view what,
                                                                        std::string_view name) const {
  if (file == nullptr || !files_.contains(file)) return Unknown(what, name);
  std::vector<const pb::FileDescriptor*> files;
  AddWithImports(file, files);
  std::vector<std::string> texts;
  for (const pb::FileDescriptor* each : files) {
    pb::FileDescriptorProto message;
    each->CopyTo(&message);
    texts.push_back(message.SerializeAsString());
  }
  return texts;
}

absl::StatusOr<std::vector<std::string>> DescribedServices::FileNamed(const std::string& name) const {
  return WithImports(pool_.FindFileByName(name), "file", name);
}

absl::StatusOr<std::vector<std::string>> DescribedServices::FileOfSymbol(const std::string& symbol) const {
  return WithImports(pool_.FindFileContainingSymbol(symbol), "symbol", symbol);
}

absl::StatusOr<std::vector<std::string>> DescribedServices::FileOfExtension(const std::string& type, int number) const {
  const pb::Descriptor* extended = pool_.FindMessageTypeByName(type);
  if (extended == nullptr || !files_.contains(extended->file())) return Unknown("message", type);
  const pb::FieldDescriptor* extension = pool_.FindExtensionByNumber(extended, number);
  return WithImports(extension == nullptr ? nullptr : extension->file(), "extension", std::to_string(number));
}

absl::StatusOr<std::vector<int>> DescribedServices::ExtensionsOf(const std::string& type) const {
  const pb::Descriptor* extended = pool_.FindMessageTypeByName(type);
  if (extended == nullptr || !files_.contains(extended->file())) return Unknown("message", type);
  std::vector<const pb::FieldDescriptor*> extensions;
  pool_.FindAllExtensions(extended, &extensions);
  std::vector<int> numbers;
  for (const pb::FieldDescriptor* extension : extensions) {
    if (files_.contains(extension->file())) numbers.push_back(extension->number());
  }
  return numbers;
}

}  // namespace torchferry::rpc
