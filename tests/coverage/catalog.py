"""The models of the coverage run, each as name -> (module with random weights, rows -> its inputs by forward's names)."""

import torch

WORDS, TOKENS = 100, 12  # of the small text models
# Torchvision's image sizes: the smallest at which each network is itself.
SIZES = {"inception_v3": 128, "googlenet": 96, "maxvit_t": 224, "vit_b_16": 64, "vit_b_32": 64, "vit_l_16": 64, "vit_l_32": 64,
         "vit_h_14": 56}

TIMM = [
    "beit_base_patch16_224", "botnet26t_256", "coatnet_nano_rw_224", "convnextv2_atto", "crossvit_tiny_240", "deit_tiny_patch16_224",
    "dla34", "dpn48b", "edgenext_xx_small", "efficientformerv2_s0", "efficientnet_lite0", "eva02_tiny_patch14_224", "fastvit_t8",
    "ghostnet_050", "halonet26t", "hardcorenas_a", "hrnet_w18_small", "inception_v4", "levit_128s", "mambaout_femto",
    "maxvit_nano_rw_256", "mixer_s32_224", "mobilenetv3_small_050", "mobilevit_xxs", "nfnet_l0", "poolformer_s12", "pvt_v2_b0",
    "regnetx_002", "repvgg_a0", "resnet18", "rexnet_100", "selecsls42", "sequencer2d_s", "skresnet18", "swin_tiny_patch4_window7_224",
    "tf_efficientnetv2_b0", "tiny_vit_5m_224", "vit_tiny_patch16_224", "volo_d1_224", "vovnet39a", "xcit_nano_12_p16_224",
]


def images(name, size):
    return lambda rows: {name: torch.randn(rows, 3, size, size)}


def texts(rows):
    """Token ids, and a mask that leaves the last three out."""
    mask = torch.ones(rows, TOKENS, dtype=torch.int64)
    mask[:, -3:] = 0
    return {"input_ids": torch.randint(3, WORDS, (rows, TOKENS)), "attention_mask": mask}


def torchvision_models():
    """All its classification models."""
    from torchvision import models

    def maker(name, size):
        def make():
            options = {"image_size": size} if name.startswith("vit_") else {}
            if name in ("googlenet", "inception_v3"):
                options = {"init_weights": False, "aux_logits": False}
            return models.get_model(name, weights=None, **options), images("x", size)

        return make

    return {f"torchvision/{name}": maker(name, SIZES.get(name, 64)) for name in models.list_models(module=models)}


def timm_models():
    import timm

    def maker(name):
        def make():
            model = timm.create_model(name, pretrained=False)
            return model, images("x", model.default_cfg["input_size"][-1])

        return make

    return {f"timm/{name}": maker(name) for name in TIMM}


def transformers_models():
    """Small ones of its architectures, made from their configurations."""
    import transformers as hf

    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    text = small | {"vocab_size": WORDS}
    image = small | {"image_size": 32, "patch_size": 8}
    decoder = text | {"num_key_value_heads": 2, "use_cache": False}
    deberta = text | {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_biased_input": False}
    seen, heard = images("pixel_values", 32), {
        "wav2vec2": lambda rows: {"input_values": torch.randn(rows, 400)},
        "whisper": lambda rows: {"input_features": torch.randn(rows, 8, 40)}}
    table = {
        "albert": (lambda: hf.AlbertModel(hf.AlbertConfig(embedding_size=16, **text)), texts),
        "bart_encoder": (lambda: hf.BartModel(hf.BartConfig(vocab_size=WORDS, d_model=32, encoder_layers=2, decoder_layers=1,
                                                            encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64,
                                                            decoder_ffn_dim=64)).encoder, texts),
        "bert": (lambda: hf.BertModel(hf.BertConfig(**text)), texts),
        "bert_classifier": (lambda: hf.BertForSequenceClassification(hf.BertConfig(**text)), texts),
        "bert_question_answering": (lambda: hf.BertForQuestionAnswering(hf.BertConfig(**text)), texts),
        "clip_text": (lambda: hf.CLIPTextModel(hf.CLIPTextConfig(**text)), texts),
        "clip_vision": (lambda: hf.CLIPVisionModel(hf.CLIPVisionConfig(**image)), seen),
        "convnext": (lambda: hf.ConvNextModel(hf.ConvNextConfig(hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 1, 1])), seen),
        "deberta_v2": (lambda: hf.DebertaV2Model(hf.DebertaV2Config(**deberta)), texts),
        "deit": (lambda: hf.DeiTModel(hf.DeiTConfig(**image)), seen),
        "dinov2": (lambda: hf.Dinov2Model(hf.Dinov2Config(image_size=32, patch_size=8, hidden_size=32, num_hidden_layers=2,
                                                          num_attention_heads=4)), seen),
        "distilbert": (lambda: hf.DistilBertModel(hf.DistilBertConfig(vocab_size=WORDS, dim=32, n_layers=2, n_heads=4, hidden_dim=64)),
                       texts),
        "electra": (lambda: hf.ElectraModel(hf.ElectraConfig(**text)), texts),
        "gpt2": (lambda: hf.GPT2LMHeadModel(hf.GPT2Config(vocab_size=WORDS, n_embd=32, n_layer=2, n_head=4, use_cache=False)), texts),
        "llama": (lambda: hf.LlamaForCausalLM(hf.LlamaConfig(**decoder)), texts),
        "mistral": (lambda: hf.MistralModel(hf.MistralConfig(**decoder)), texts),
        "modernbert": (lambda: hf.ModernBertModel(hf.ModernBertConfig(pad_token_id=0, **text)), texts),
        "mpnet": (lambda: hf.MPNetModel(hf.MPNetConfig(**text)), texts),
        "qwen2": (lambda: hf.Qwen2Model(hf.Qwen2Config(**decoder)), texts),
        "resnet": (lambda: hf.ResNetModel(hf.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1])), seen),
        "roberta": (lambda: hf.RobertaModel(hf.RobertaConfig(**text)), texts),
        "segformer": (lambda: hf.SegformerForSemanticSegmentation(hf.SegformerConfig(
            hidden_sizes=[8, 16, 16, 32], num_attention_heads=[1, 2, 2, 4], depths=[1, 1, 1, 1], decoder_hidden_size=16)),
            images("pixel_values", 64)),
        "siglip_vision": (lambda: hf.SiglipVisionModel(hf.SiglipVisionConfig(**image)), seen),
        "swin": (lambda: hf.SwinModel(hf.SwinConfig(image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 4],
                                                    window_size=4)), seen),
        "t5_encoder": (lambda: hf.T5EncoderModel(hf.T5Config(vocab_size=WORDS, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)),
                       texts),
        "table_transformer": (lambda: hf.TableTransformerModel(hf.TableTransformerConfig(
            use_timm_backbone=False, use_pretrained_backbone=False, backbone=None,
            backbone_config=hf.ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], out_features=["stage2"]),
            d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4, encoder_ffn_dim=64,
            decoder_ffn_dim=64, num_queries=5)), images("pixel_values", 64)),
        "vit": (lambda: hf.ViTModel(hf.ViTConfig(**image)), seen),
        "vit_classifier": (lambda: hf.ViTForImageClassification(hf.ViTConfig(**image)), seen),
        "wav2vec2": (lambda: hf.Wav2Vec2Model(hf.Wav2Vec2Config(
            conv_dim=(16, 16), conv_kernel=(4, 3), conv_stride=(2, 2), num_feat_extract_layers=2, num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2, **small)), heard["wav2vec2"]),
        "whisper_encoder": (lambda: hf.WhisperModel(hf.WhisperConfig(
            d_model=32, encoder_layers=2, encoder_attention_heads=4, decoder_layers=1, decoder_attention_heads=4, encoder_ffn_dim=64,
            decoder_ffn_dim=64, num_mel_bins=8, max_source_positions=20)).encoder, heard["whisper"]),
        "xlm_roberta_masked": (lambda: hf.XLMRobertaForMaskedLM(hf.XLMRobertaConfig(**text)), texts),
    }

    def maker(make, inputs):
        return lambda: (make(), inputs)

    return {f"transformers/{name}": maker(*entry) for name, entry in table.items()}


GROUPS = {"transformers": transformers_models, "timm": timm_models, "torchvision": torchvision_models}
