// The data of reflection: the services' names, and the files that describe them.
#pragma once

#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::rpc {

// Immutable. Anything outside the files of these services is NOT_FOUND, even if this program was built with it.
class DescribedServices {
 public:
  // `names`: full names of services in the program's own descriptors.
  explicit DescribedServices(std::vector<std::string> names);

  const std::vector<std::string>& names() const { return names_; }

  // A file and its imports, each as a serialized FileDescriptorProto.
  absl::StatusOr<std::vector<std::string>> FileNamed(const std::string& name) const;
  absl::StatusOr<std::vector<std::string>> FileOfSymbol(const std::string& symbol) const;
  absl::StatusOr<std::vector<std::string>> FileOfExtension(const std::string& type, int number) const;
  absl::StatusOr<std::vector<int>> ExtensionsOf(const std::string& type) const;

 private:
  absl::StatusOr<std::vector<std::string>> WithImports(const google::protobuf::FileDescriptor* file,
                                                       std::string_view what, std::string_view name) const;

  const std::vector<std::string> names_;
  const google::protobuf::DescriptorPool& pool_;
  std::set<const google::protobuf::FileDescriptor*> files_;
};

}  // namespace torchferry::rpc
