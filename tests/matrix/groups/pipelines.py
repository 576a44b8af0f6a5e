"""Deep learning with PyTorch, and data pipelining: models are made of configurations, nothing is downloaded."""

from __future__ import annotations

from tests.matrix.entry import DEEP, PIPELINES, library

torch = library(DEEP, "torch")
transformers = library(PIPELINES, "transformers", "transformers", "torch")
tokenizers = library(PIPELINES, "tokenizers")
datasets = library(PIPELINES, "datasets")

_NET = "import torch\nfrom torch import nn\ntorch.manual_seed(0)\nnet = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))\n"
_STEP = "net(torch.ones(2, 3)).sum().backward(); opt.step(); opt.zero_grad()"
_BERT = "import torch\nfrom transformers import BertConfig, BertModel\ntorch.manual_seed(0)\nconfig = BertConfig(vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)\n"
_WORDS = "from tokenizers import Tokenizer, models, pre_tokenizers\nwords = {word: n for n, word in enumerate(['[UNK]', '[PAD]', '[CLS]', '[SEP]', '[MASK]', 'cat', 'dog', 'sat'])}\ncore = Tokenizer(models.WordLevel(words, '[UNK]')); core.pre_tokenizer = pre_tokenizers.Whitespace()\n"
_ROWS = "from datasets import Dataset\nx = Dataset.from_dict({'text': ['a', 'bb', 'ccc'], 'n': [1, 2, 3]})\n"

ENTRIES = (
    torch("torch.Tensor", "import torch; x = torch.arange(12.0).reshape(3, 4)", "x[1, 2] = -1", "x.tolist()"),
    torch(
        "torch.Tensor (requires grad)",
        "import torch; x = torch.ones(3, requires_grad=True)",
        "(x * 2).sum().backward()",
        "(x.tolist(), x.grad)",
    ),
    torch(
        "torch.Tensor (of a numpy array)",
        "import torch, numpy as np; a = np.arange(4.0); x = torch.from_numpy(a)",
        "x[0] = 9",
        "(a.tolist(), x.data_ptr() == a.ctypes.data)",
        variables=("a", "x"),
    ),
    torch("torch.Tensor (sparse)", "import torch; x = torch.eye(3).to_sparse()", "x = x * 2", "x.to_dense().tolist()"),
    torch("nn.Module", _NET + "x = net", "with torch.no_grad(): x[0].weight[0, 0] = 5", "x(torch.ones(1, 3)).tolist()"),
    torch(
        "nn.Module (of the notebook)",
        "import torch\nfrom torch import nn\ntorch.manual_seed(0)\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.inner = nn.Linear(2, 1)\n    def forward(self, v):\n        return self.inner(v)\nx = Net()",
        "x.eval(); x.tag = 1",
        "(x(torch.ones(1, 2)).tolist(), x.training, isinstance(x, Net))",
        variables=("x", "Net"),
    ),
    torch(
        "nn.LSTM",
        "import torch; from torch import nn; torch.manual_seed(0); x = nn.LSTM(2, 3)",
        "x.flatten_parameters(); x.bias_ih_l0.data[0] = 4",
        "x(torch.ones(1, 1, 2))[0].tolist()",
    ),
    torch(
        "nn.Parameter",
        "import torch; from torch import nn; x = nn.Parameter(torch.zeros(2))",
        "x.data[0] = 3",
        "(x.tolist(), type(x).__name__, x.requires_grad)",
    ),
    torch(
        "nn.BatchNorm1d",
        "import torch; from torch import nn; x = nn.BatchNorm1d(2)",
        "_ = x(torch.tensor([[1., 2], [3, 5]]))",
        "(x.running_mean.tolist(), int(x.num_batches_tracked))",
    ),
    torch(
        "torch.optim.Adam",
        _NET + f"opt = torch.optim.Adam(net.parameters()); {_STEP}; x = opt",
        _STEP,
        "x.state_dict()['state'][0]['exp_avg'].tolist()",
        variables=("x", "net"),
    ),
    torch(
        "StepLR",
        _NET + f"opt = torch.optim.SGD(net.parameters(), 0.1); {_STEP}; x = torch.optim.lr_scheduler.StepLR(opt, 1)",
        "opt.step(); x.step()",
        "(x.get_last_lr(), x.last_epoch, x.optimizer is opt)",
    ),
    torch(
        "torch.Generator",
        "import torch; x = torch.Generator().manual_seed(3)",
        "_ = torch.rand(2, generator=x)",
        "x.get_state().tolist()[:20]",
    ),
    torch(
        "DataLoader",
        "import torch; from torch.utils.data import DataLoader, TensorDataset; x = DataLoader(TensorDataset(torch.arange(6.0)), batch_size=2)",
        "x.dataset.tensors[0][5] = 9",
        "[batch[0].tolist() for batch in x]",
    ),
    torch(
        "Dataset (of the notebook)",
        "import torch\nfrom torch.utils.data import Dataset\nclass Squares(Dataset):\n    def __init__(self):\n        self.data = torch.arange(5)\n    def __getitem__(self, n):\n        return self.data[n] ** 2\n    def __len__(self):\n        return 5\nx = Squares()",
        "x.data[1] = 7",
        "[int(x[n]) for n in range(5)]",
        variables=("x", "Squares"),
    ),
    torch("torch.Size", "import torch; x = torch.zeros(2, 3).shape", "x = torch.zeros(3, 3).shape", "(x, x.numel())"),
    torch(
        "torch.dtype and device",
        "import torch; x = [torch.float16, torch.device('cpu')]",
        "x.append(torch.int8)",
        "list(map(str, x))",
    ),
    torch(
        "torch.distributions.Normal",
        "import torch; x = torch.distributions.Normal(torch.zeros(2), torch.ones(2))",
        "x.loc[0] = 3",
        "(x.mean.tolist(), x.log_prob(torch.ones(2)).tolist())",
    ),
    torch(
        "torch.jit.ScriptModule",
        _NET + "x = torch.jit.trace(net, torch.ones(1, 3))",
        "with torch.no_grad(): next(x.parameters())[0, 0] = 5",
        "x(torch.ones(1, 3)).tolist()",
        described=False,
    ),
    torch(
        "torch.fx.GraphModule",
        _NET + "x = torch.fx.symbolic_trace(net)",
        "with torch.no_grad(): next(x.parameters())[0, 0] = 5",
        "(x.code, x(torch.ones(1, 3)).tolist())",
        described=False,
    ),
    torch(
        "torch.compile'd module",
        _NET + "x = torch.compile(net, backend='eager')",
        "with torch.no_grad(): next(x.parameters())[0, 0] = 5",
        "[each.tolist() for each in x.parameters()]",
        described=False,
    ),
    torch(
        "nn.utils.rnn.PackedSequence",
        "import torch; x = torch.nn.utils.rnn.pack_sequence([torch.ones(3), torch.ones(2)])",
        "x.data[0] = 5",
        "(x.data.tolist(), x.batch_sizes.tolist())",
    ),
    torch(
        "nn.ParameterDict",
        "import torch; from torch import nn; x = nn.ParameterDict({'a': nn.Parameter(torch.zeros(1))})",
        "x['b'] = nn.Parameter(torch.ones(1))",
        "{key: value.tolist() for key, value in x.items()}",
    ),
    torch(
        "state_dict",
        _NET + "x = net.state_dict()",
        "x['0.weight'][0, 0] = 9",
        "{key: value.tolist() for key, value in x.items()}",
        variables=("x", "net"),
    ),
    torch(
        "torch.amp.GradScaler",
        "import torch; x = torch.amp.GradScaler('cpu', enabled=True)",
        "x.set_growth_factor(3.0)",
        "(x.get_growth_factor(), x.get_scale())",
    ),
    transformers("BertConfig", _BERT + "x = config", "x.hidden_size = 16", "x.to_dict()", seconds=120),
    transformers(
        "BertModel",
        _BERT + "x = BertModel(config).eval()",
        "with torch.no_grad(): x.embeddings.word_embeddings.weight[1] = 0",
        "x(torch.tensor([[1, 2]])).last_hidden_state.tolist()",
        seconds=120,
    ),
    transformers(
        "GPT2LMHeadModel",
        "import torch; from transformers import GPT2Config, GPT2LMHeadModel; torch.manual_seed(0); x = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=1, n_head=2)).eval()",
        "with torch.no_grad(): x.lm_head.weight[0, 0] = 5",
        "(x(torch.tensor([[1, 2]])).logits.tolist(), x.lm_head.weight is x.transformer.wte.weight)",
        seconds=120,
    ),
    transformers(
        "BertTokenizer",
        "import pathlib; _ = pathlib.Path('vocab.txt').write_text('\\n'.join(['[UNK]', '[PAD]', '[CLS]', '[SEP]', '[MASK]', 'cat', 'dog', '##s'])); from transformers import BertTokenizer; x = BertTokenizer('vocab.txt')",
        "_ = x.add_tokens(['new'])",
        "(x.tokenize('cats dog new'), len(x))",
        seconds=120,
        described=False,
    ),
    transformers(
        "PreTrainedTokenizerFast",
        _WORDS
        + "from transformers import PreTrainedTokenizerFast; x = PreTrainedTokenizerFast(tokenizer_object=core, unk_token='[UNK]', pad_token='[PAD]')",
        "_ = x.add_tokens(['bird'])",
        "(x('cat bird')['input_ids'], x.pad_token)",
        seconds=120,
        described=False,
    ),
    transformers(
        "BatchEncoding",
        _WORDS
        + "from transformers import PreTrainedTokenizerFast; x = PreTrainedTokenizerFast(tokenizer_object=core, unk_token='[UNK]')(['cat', 'dog sat'])",
        "x['input_ids'][0].append(7)",
        "(dict(x), x.tokens(1))",
        seconds=120,
        described=False,
    ),
    transformers(
        "Pipeline",
        _WORDS
        + "import torch\nfrom transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast, TextClassificationPipeline\ntorch.manual_seed(0)\ntokenizer = PreTrainedTokenizerFast(tokenizer_object=core, unk_token='[UNK]', pad_token='[PAD]')\nx = TextClassificationPipeline(model=BertForSequenceClassification(BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)), tokenizer=tokenizer)",
        "with torch.no_grad(): x.model.classifier.bias[0] = 3",
        "x('cat sat')",
        seconds=120,
        described=False,
    ),
    transformers(
        "TrainingArguments",
        "from transformers import TrainingArguments; x = TrainingArguments('out', report_to=[], use_cpu=True)",
        "x.learning_rate = 1.0",
        "(x.learning_rate, x.num_train_epochs)",
        seconds=120,
        described=False,
        needs=("transformers", "torch", "accelerate"),
    ),
    transformers(
        "GenerationConfig",
        "from transformers import GenerationConfig; x = GenerationConfig(max_length=5)",
        "x.temperature = 0.5",
        "x.to_dict()",
        seconds=120,
    ),
    transformers(
        "ViTImageProcessor",
        "from transformers import ViTImageProcessor; x = ViTImageProcessor(size={'height': 4, 'width': 4})",
        "x.do_normalize = False",
        "x.to_dict()",
        seconds=120,
        described=False,
    ),
    transformers(
        "ModelOutput",
        "import torch; from transformers.modeling_outputs import BaseModelOutput; x = BaseModelOutput(last_hidden_state=torch.zeros(1, 2))",
        "x.last_hidden_state[0, 0] = 5",
        "(x[0].tolist(), list(x))",
        seconds=120,
    ),
    tokenizers(
        "tokenizers.Tokenizer",
        _WORDS + "x = core",
        "_ = x.add_tokens(['bird'])",
        "(x.encode('cat bird').ids, x.to_str())",
    ),
    tokenizers("tokenizers.Encoding", _WORDS + "x = core.encode('cat sat')", "x.pad(4)", "(x.ids, x.tokens)"),
    tokenizers(
        "tokenizers.models.BPE",
        "from tokenizers import models; x = models.BPE(vocab={'a': 0, 'b': 1, 'ab': 2}, merges=[('a', 'b')])",
        "x.dropout = 0.5",
        "(x.dropout, x.token_to_id('ab'))",
    ),
    tokenizers(
        "tokenizers.AddedToken",
        "from tokenizers import AddedToken; x = AddedToken('a', lstrip=True)",
        "x = AddedToken('a', rstrip=True)",
        "(x.content, x.lstrip, x.rstrip)",
    ),
    tokenizers(
        "tokenizers.trainers.BpeTrainer",
        "from tokenizers.trainers import BpeTrainer; x = BpeTrainer(vocab_size=50, show_progress=False)",
        "x.vocab_size = 70",
        "x.vocab_size",
    ),
    datasets(
        "datasets.Dataset",
        _ROWS,
        "x = x.map(lambda row: {'n': row['n'] + 1})",
        "(x.to_dict(), str(x.features))",
        described=False,
    ),
    datasets(
        "datasets.DatasetDict",
        _ROWS + "from datasets import DatasetDict; x = DatasetDict(train=x)",
        "x['test'] = x['train'].select([0])",
        "{key: value.to_dict() for key, value in x.items()}",
        described=False,
    ),
    datasets(
        "datasets.IterableDataset", _ROWS + "x = x.to_iterable_dataset()", "x = x.take(1)", "list(x)", described=False
    ),
    datasets(
        "datasets.Features",
        "from datasets import Features, Value, ClassLabel; x = Features({'a': Value('int64'), 'c': ClassLabel(names=['u', 'v'])})",
        "x['b'] = Value('string')",
        "(str(x), x['c'].int2str(1))",
    ),
    datasets(
        "datasets.DatasetInfo",
        "from datasets import DatasetInfo; x = DatasetInfo(description='d')",
        "x.citation = 'c'",
        "(x.description, x.citation)",
    ),
)
