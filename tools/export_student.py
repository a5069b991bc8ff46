"""Write the deployed student of a distillation run as a config and a checkpoint of its own."""
import argparse

from mmengine.config import Config

from mmfmkt.deploy import export_student

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the distillation run')
    parser.add_argument('checkpoint', help='checkpoint of the distillation run')
    parser.add_argument('out', help='checkpoint to write (.pth); the config is written beside it (.py)')
    args = parser.parse_args()
    print('wrote', *export_student(Config.fromfile(args.config), args.checkpoint, args.out))
