// torchferry-server.
#include "server/app/server_app.h"

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<torchferry::libtorch::DeviceProvider>> providers;
  providers.push_back(torchferry::libtorch::MakeCudaProvider());
  return torchferry::app::RunServer(argc, argv, std::move(providers));
}
