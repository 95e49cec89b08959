// The caller of a call, and what it may ask.
#pragma once

#include <absl/status/status.h>

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::identity {

enum class Role : uint8_t {
  kPredict = 1,  // runs models
  kRead = 2,     // sees the models and their state
  kAdmin = 4,    // loads and unloads models
};

// A set of roles.
class Roles {
 public:
  constexpr Roles() = default;
  constexpr Roles(std::initializer_list<Role> roles) {
    for (const Role role : roles) Add(role);
  }
  constexpr void Add(Role role) { bits_ = static_cast<uint8_t>(bits_ | static_cast<uint8_t>(role)); }
  constexpr bool Has(Role role) const { return (bits_ & static_cast<uint8_t>(role)) != 0; }
  constexpr bool HasAnyOf(Roles others) const { return (bits_ & others.bits_) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  friend constexpr bool operator==(Roles, Roles) = default;

 private:
  uint8_t bits_ = 0;
};

// Whether `name` matches `glob`: "*" stands for any text, "?" for one byte, all else for itself. Its max time is
// proportional to the product of the two lengths.
bool MatchesGlob(std::string_view glob, std::string_view name);

// One entry of the file of identities.
struct Identity {
  std::string name;
  Roles roles;
  std::vector<std::string> models;  // globs
};

// A value type. On a server without identities, everybody may ask everything.
class Caller {
 public:
  // Anybody, on a server without identities. `peer` is the connection, as gRPC names it.
  static Caller Unrestricted(std::string peer) { return {std::move(peer), nullptr, /*is_restricted=*/false}; }
  // A caller without a known identity. It sees no model.
  static Caller Nobody(std::string peer) { return {std::move(peer), nullptr, /*is_restricted=*/true}; }
  static Caller Known(std::string peer, std::shared_ptr<const Identity> identity) {
    return {std::move(peer), std::move(identity), /*is_restricted=*/true};
  }
  Caller() = default;

  // The name of the identity; empty without an identity.
  std::string_view name() const { return identity_ == nullptr ? std::string_view() : identity_->name; }
  // "ipv4:192.0.2.7:4711": tells one connection from another.
  const std::string& peer() const { return peer_; }
  // The clients that share a limit: the identity ("identity alice"), or else the peer's host ("host 192.0.2.7", "host
  // 2001:db8:1:2::/64", "host local").
  std::string Client() const;

  // Whether the caller may ask about the model.
  bool MaySee(std::string_view model) const;
  // PERMISSION_DENIED where the caller may not ask about the model. Call this before the registry is asked: the answer
  // must not tell whether the model exists.
  absl::Status CheckModel(std::string_view model) const;
  bool MayDo(Roles any) const { return !is_restricted_ || (identity_ != nullptr && identity_->roles.HasAnyOf(any)); }
  bool is_restricted() const { return is_restricted_; }

 private:
  Caller(std::string peer, std::shared_ptr<const Identity> identity, bool is_restricted)
      : peer_(std::move(peer)), identity_(std::move(identity)), is_restricted_(is_restricted) {}

  std::string peer_;
  std::shared_ptr<const Identity> identity_;
  bool is_restricted_ = false;
};

// The group of a peer (base/peer_group.h), from gRPC's name of it: "ipv4:HOST:PORT", "ipv6:%5BHOST%5D:PORT" or
// "unix:PATH".
std::string PeerGroup(std::string_view peer);

}  // namespace torchferry::identity
